/** The value of `groups`: lists of patterns that select the users who need Duo. */

/** One pattern: `*` and `?` are wildcards; `negated` when it began with `!`. */
export interface GroupPattern {
  readonly pattern: string;
  readonly negated: boolean;
}

/** A list matches a user if one of its patterns matches one of the user's groups and no negated pattern does. */
export type GroupList = readonly GroupPattern[];

/**
 * A value that begins with `;` is a comment: as group names, it would exempt everybody else.
 *
 * Splits at white space (`\ ` is a space in a name), then at commas. Empty patterns match nobody and are left out, and
 * so are empty lists: a stray comma must not exempt anybody.
 */
export function parseGroups(value: string): GroupList[] {
  if (value.startsWith(';')) return [];
  return (value.match(/(?:\\.|\S)+/gs) ?? [])
    .map((list) =>
      list
        .split(',')
        .filter((pattern) => pattern !== '' && pattern !== '!')
        .map((pattern) => {
          const negated = pattern.startsWith('!');
          return { negated, pattern: (negated ? pattern.slice(1) : pattern).replaceAll('\\ ', ' ') };
        }),
    )
    .filter((list) => list.length > 0);
}
