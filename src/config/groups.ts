/** The value of `groups`: lists of patterns that say whose logins need Duo. */

/** One pattern: `*` and `?` are wildcards; `negated` when it began with `!`. */
export interface GroupPattern {
  readonly pattern: string;
  readonly negated: boolean;
}

/** A list matches a user when a pattern of it matches one of the user's groups and no negated one does. */
export type GroupList = readonly GroupPattern[];

/**
 * A value that begins with `;` is a comment: read as names of groups, it would spare everybody else the second factor.
 *
 * Splits at white space (`\ ` is a space in a name), then at commas. Patterns that are empty match nobody and are left
 * out, and so are lists of nothing else: a stray comma must not be a list that spares everybody the second factor.
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
