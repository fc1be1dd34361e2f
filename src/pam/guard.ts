/**
 * Checks a PAM stack: who could pass it without Duo's consent, whether a user with it can pass, and whether strangers can
 * send pushes.
 */
import { type Step, wayToStep, wayToSuccess } from './evaluate.ts';
import type { Code, Line, Stack } from './stack.ts';

const MODULE = 'pam_duo_ts.so';

const isDuo = ({ module }: Line) => module.endsWith(MODULE);

/** Modules that check a password. */
const PASSWORD = /(?:^|\/)pam_(?:unix|sss|ldap|winbind|krb5)\.so$/;

export function checksPassword({ module }: Pick<Line, 'module'>): boolean {
  return PASSWORD.test(module);
}

/** The codes of a login by a user other than root, by module. Every module not listed can succeed and fail. */
const OTHERS: Readonly<Record<string, readonly Code[]>> = {
  // True for root alone.
  'pam_rootok.so': ['auth_err'],
  'pam_permit.so': ['success'],
  'pam_deny.so': ['auth_err'],
  'pam_warn.so': ['ignore'],
};

function codesOf(line: Line, ofDuo: readonly Code[]): readonly Code[] {
  if (isDuo(line)) return ofDuo;
  return OTHERS[line.module.split('/').at(-1) ?? ''] ?? ['success', 'auth_err', 'ignore'];
}

/** What pam_duo_ts returns to a user whom Duo does not let in. */
const DENIALS: readonly Code[] = ['abort', 'maxtries', 'service_err', 'user_unknown', 'system_err'];

export interface Guard {
  /** The shortest way through the stack without Duo's consent; undefined: there is none. */
  readonly bypass: readonly Step[] | undefined;
  /** A user with Duo's consent can pass. */
  readonly passable: boolean;
  /** The shortest way to Duo's question after a wrong password; undefined: there is none. */
  readonly askedInVain: readonly Step[] | undefined;
}

export function guardOf(stack: Stack): Guard {
  return {
    bypass: wayToSuccess(stack, (line) => codesOf(line, DENIALS)),
    passable:
      wayToSuccess(stack, (line) => codesOf(line, ['success']))?.some(({ line }) => isDuo(line)) ?? false,
    askedInVain: wayAfterWrongPassword(stack),
  };
}

function wayAfterWrongPassword(stack: Stack): readonly Step[] | undefined {
  const way = wayToStep(
    stack,
    (line) => (checksPassword(line) ? ['auth_err'] : codesOf(line, ['success'])),
    ({ line }) => isDuo(line),
  );
  return way?.some(({ line }) => checksPassword(line)) ? way : undefined;
}
