/**
 * The lines of a configuration file: `[section]`, `name = value` or `name: value`, comments, continuations. Sections
 * have no meaning: a setting counts wherever it stands.
 */

/** One setting, or a line that cannot be parsed (`name` is undefined). Lines count from 1. */
export interface Entry {
  readonly line: number;
  readonly name: string | undefined;
  readonly value: string;
}

/**
 * Reads every line. A line that is neither a setting, a section nor a comment yields an entry without a name. An
 * indented line gives one more value to the setting above it.
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

/**
 * Removes a comment after a value: `;` after white space begins one, but the first character always belongs to the
 * value.
 */
function uncommented(raw: string): string {
  const value = trim(raw);
  const comment = value.search(/[ \t\v\f\r];/);
  return comment < 0 ? value : trim(value.slice(0, comment));
}

/** White space as in C: a byte of a secret may be a space in Unicode. */
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
