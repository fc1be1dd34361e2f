/**
 * The lines of a configuration file: `[section]`, `name = value` or `name: value`, comments, continuations. What a
 * name means is not known here.
 */

/** One setting, or a line that can't be read (`name` is then undefined). Lines count from 1. */
export interface Entry {
  readonly line: number;
  readonly section: string;
  readonly name: string | undefined;
  readonly value: string;
}

/** Reads every line; one that is no setting, section or comment yields an entry without a name. */
export function* readIni(text: string): Generator<Entry> {
  let section = '';
  let last: string | undefined;
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  for (const [index, raw] of lines.entries()) {
    const line = index + 1;
    const trimmed = raw.trim();
    if (trimmed === '' || trimmed.startsWith(';') || trimmed.startsWith('#')) continue;
    if (last !== undefined && /^\s/.test(raw)) {
      yield { line, section, name: last, value: uncommented(trimmed) };
      continue;
    }
    const head = /^\[([^\]]*)\]/.exec(trimmed);
    if (head !== null) {
      section = head[1] ?? '';
      last = undefined;
      continue;
    }
    const setting = /^([^=:]*)[=:](.*)$/s.exec(trimmed);
    const name = setting?.[1]?.trim();
    if (name === undefined) {
      yield { line, section, name: undefined, value: '' };
      continue;
    }
    last = name;
    yield { line, section, name, value: uncommented(` ${setting?.[2] ?? ''}`) };
  }
}

/** A value without the comment behind it: ` ;` after white space begins one. */
function uncommented(value: string): string {
  return value.replace(/\s;.*$/s, '').trim();
}
