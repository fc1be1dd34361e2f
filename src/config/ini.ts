/**
 * The lines of a configuration file: `[section]`, `name = value` or `name: value`, comments, continuations. What a
 * name means is not known here, and sections are read but mean nothing: a setting counts wherever it stands.
 */

/** One setting, or a line that can't be read (`name` is then undefined). Lines count from 1. */
export interface Entry {
  readonly line: number;
  readonly name: string | undefined;
  readonly value: string;
}

/**
 * Reads every line; one that is no setting, section or comment yields an entry without a name. A line that begins with
 * white space says one more value of the setting above it.
 */
export function* readIni(text: string): Generator<Entry> {
  let last: string | undefined;
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const line = index + 1;
    const trimmed = trim(raw);
    if (trimmed === '' || /^[;#]/.test(trimmed)) continue;
    if (last !== undefined && !raw.startsWith(trimmed)) {
      yield { line, name: last, value: uncommented(trimmed) };
      continue;
    }
    if (trimmed.startsWith('[')) {
      if (uncommented(trimmed).includes(']')) last = undefined;
      else yield { line, name: undefined, value: '' };
      continue;
    }
    const end = trimmed.search(/[=:]|[ \t\v\f\r];/);
    if (!/[=:]/.test(trimmed.charAt(end))) {
      yield { line, name: undefined, value: '' };
      continue;
    }
    last = trim(trimmed.slice(0, end));
    yield { line, name: last, value: uncommented(trimmed.slice(end + 1)) };
  }
}

/** A value without the comment behind it: `;` after white space begins one, but the first character is always the value's. */
function uncommented(raw: string): string {
  const value = trim(raw);
  const comment = value.search(/[ \t\v\f\r];/);
  return comment < 0 ? value : trim(value.slice(0, comment));
}

/** White space as C has it: a byte of a secret may be one that Unicode calls a space. */
function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charAt(start))) start += 1;
  while (end > start && isSpace(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isSpace(char: string): boolean {
  return ' \t\n\v\f\r'.includes(char);
}
