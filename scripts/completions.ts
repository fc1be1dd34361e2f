/** Completions of duo-ts for shells, from its own commands. */
import type { Command } from 'commander';
import { duoTs } from '../src/cli/commands.ts';

/** What can follow some words. */
interface Place {
  /** The commands before, such as `pam enable`. */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly help: string }[];
}

function places(command: Command, path: readonly string[] = []): Place[] {
  const options = [
    ...command.options.filter(({ hidden }) => !hidden),
    command.createOption('--help', 'show help'),
  ];
  const words = [
    ...command.commands.map((sub) => ({ word: sub.name(), help: sub.description() })),
    ...command.registeredArguments.flatMap(({ argChoices = [], description }) =>
      argChoices.map((word) => ({ word, help: description })),
    ),
    ...options.map(({ long, description }) => ({ word: long ?? '', help: description })),
  ];
  // Deeper places first: the first match counts.
  return [
    ...command.commands.flatMap((sub) => places(sub, [...path, sub.name()])),
    { path: path.join(' '), words },
  ];
}

const wordsOf = ({ words }: Place) => words.map(({ word }) => word).join(' ');
const pattern = (path: string) => (path === '' ? '*' : `"${path} "*`);

function bash(list: readonly Place[]): string {
  const cases = list.map(
    (place) => `    ${pattern(place.path)}) COMPREPLY=($(compgen -W "${wordsOf(place)}" -- "$current")) ;;`,
  );
  return `# bash completion for duo-ts
_duo_ts() {
  local current=\${COMP_WORDS[COMP_CWORD]} before="\${COMP_WORDS[*]:1:COMP_CWORD-1} "
  case $before in
${cases.join('\n')}
  esac
}
complete -o default -F _duo_ts duo-ts
`;
}

function zsh(list: readonly Place[]): string {
  const cases = list.map((place) => `  (${pattern(place.path)}) compadd -- ${wordsOf(place)} ;;`);
  return `#compdef duo-ts
local before="\${words[2,CURRENT-1]} "
case $before in
${cases.join('\n')}
esac
`;
}

function fish(list: readonly Place[]): string {
  const quoted = (text: string) => `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
  const lines = list.flatMap(({ path, words }) => {
    const seen = path.split(' ').filter(Boolean);
    const condition =
      seen.length === 0
        ? '__fish_use_subcommand'
        : seen.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
    return words.map(({ word, help }) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`;
      return `complete -c duo-ts -n ${quoted(condition)} ${what} -d ${quoted(help)}`;
    });
  });
  return `# fish completion for duo-ts\n${lines.join('\n')}\n`;
}

/** The completion files by shell. */
export function completions(): Readonly<Record<'bash' | 'zsh' | 'fish', string>> {
  const list = places(duoTs());
  return { bash: bash(list), zsh: zsh(list), fish: fish(list) };
}
