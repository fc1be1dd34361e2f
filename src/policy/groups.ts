/** Whether a user's groups require a second factor. */
import type { GroupList } from '../config/groups.ts';

/** The warning for a configuration that requires a factor from nobody. */
export const ALL_NEGATED =
  'All configured groups are negated; no user can match, so Duo 2FA is disabled for every user ' +
  '(use "*,!group" to require 2FA for everyone except a group)';

/** True if any list matches, and if there are no lists. */
export function needsFactor(groups: readonly string[], lists: readonly GroupList[]): boolean {
  return lists.length === 0 || lists.some((list) => listMatches(list, groups));
}

/** True if there are lists, and none of them can match. */
export function allNegated(lists: readonly GroupList[]): boolean {
  return lists.length > 0 && lists.every((list) => list.every(({ negated }) => negated));
}

function listMatches(list: GroupList, groups: readonly string[]): boolean {
  const hit = (negated: boolean) =>
    list.some(
      (item) => item.negated === negated && groups.some((group) => wildcardMatches(item.pattern, group)),
    );
  return hit(false) && !hit(true);
}

/** `*` stands for any run of characters, `?` for one. Takes at most pattern × text steps. */
export function wildcardMatches(pattern: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  let i = 0;
  while (i < text.length) {
    if (pattern[at] === '*') {
      star = at;
      resume = i;
      at += 1;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[i])) {
      at += 1;
      i += 1;
    } else if (star >= 0) {
      resume += 1;
      i = resume;
      at = star + 1;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}
