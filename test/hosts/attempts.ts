/**
 * Concurrent logins of a local user and one of root: their results, and their log lines.
 * Duo denies these users and failmode is safe, so any login that succeeds was let in by failmode.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { PamCode, PamStyle } from '../../src/unix/pam-client.ts';
import { LOGIN_DUO } from './launcher.ts';
import { PASSWORD, pam, residentAlone, type SystemLog, startDuo } from './machine.ts';
import { Terminal } from './terminal.ts';

export interface Attempt {
  /** True when a local user started it and could tamper with its private engine. */
  readonly local: boolean;
  /** The beginning of its log lines. */
  readonly tag: RegExp;
  /** Resolves to whether the login succeeded. */
  readonly run: () => Promise<boolean>;
}

export const ALICE = 'setpriv --reuid alice --regid alice --init-groups';

/** At a terminal, with the password where it is required. */
export async function comesIn(command: string): Promise<boolean> {
  const { output } = await new Terminal(command).answering(/[Pp]assword[^\n]*: /, `${PASSWORD}\n`);
  return /^came in$/m.test(output);
}

export const SU: Attempt = {
  local: true,
  tag: /\bsu(?:\[\d+\])?: pam_duo_ts\(su:auth\): /,
  run: () => comesIn(`exec ${ALICE} su bert -c 'echo came in'`),
};

export const LOGIN_DUO_SETUID: Attempt = {
  local: true,
  tag: /\blogin_duo(?:\[\d+\])?: /,
  run: () => comesIn(`exec ${ALICE} ${LOGIN_DUO} 'echo came in'`),
};

/** A PAM application of root, such as sshd. */
export const ROOT: Attempt = {
  local: false,
  tag: /pam_duo_ts\(duo:auth\): /,
  run: async () => {
    const { code } = await pam.authenticate(
      { service: 'duo', user: 'alice', confdir: 'test/hosts/pam.d' },
      async (messages) => messages.map(({ style }) => (style === PamStyle.promptEchoOn ? '1' : '')),
    );
    return code === PamCode.PAM_SUCCESS;
  },
};

const ATTEMPTS = [SU, LOGIN_DUO_SETUID, ROOT];

/** A local user may have started this service, but its processes belong to root. */
export function forgetLoginUid(): void {
  const none = '4294967295';
  if (readFileSync('/proc/self/loginuid', 'latin1') !== none) writeFileSync('/proc/self/loginuid', none);
}

let names = 0;

/**
 * Starts a Duo that denies everyone.
 * @param like uses the address of this one; absent: a new name that no engine has looked up
 */
export function startDenyingDuo(like?: Simulator): Promise<Simulator> {
  const denied = { status: 'deny' } as const;
  names += 1;
  const { host = `api-${names}.duo.test`, port = 0 } = like ?? {};
  return startDuo({ users: { alice: denied, bert: denied }, names: [host], port }, 'failmode = safe');
}

interface Outcome extends Attempt {
  readonly cameIn: boolean;
  readonly line: string;
}

async function outcomes(log: SystemLog, attempts: readonly Attempt[]): Promise<Outcome[]> {
  log.clear();
  return Promise.all(
    attempts.map(async (attempt) => {
      const cameIn = await attempt.run();
      const line = await log.line(new RegExp(`${attempt.tag.source}.*Duo login`));
      return { ...attempt, cameIn, line };
    }),
  );
}

/** No login may succeed, and the log must have `sentence` for each. */
export async function nobodyComesIn(
  t: ExecutionContext,
  log: SystemLog,
  sentence: RegExp,
  attempts: readonly Attempt[] = ATTEMPTS,
): Promise<void> {
  for (const { cameIn, line } of await outcomes(log, attempts)) {
    t.false(cameIn, line);
    t.regex(line, sentence);
  }
}

/**
 * failmode applies, and the log must name the reason; not for local callers, who could tamper with their
 * private engine.
 */
export async function duoIsAbsent(
  t: ExecutionContext,
  log: SystemLog,
  reason: string,
  attempts: readonly Attempt[] = ATTEMPTS,
): Promise<void> {
  for (const { local, cameIn, line } of await outcomes(log, attempts)) {
    const believed = !local || residentAlone;
    t.is(cameIn, believed, line);
    t.true(line.includes(believed ? 'Failsafe Duo login' : 'Error in Duo login'), line);
    t.true(line.endsWith(believed ? `: ${reason}` : `: ${reason}; ${ADVICE}`), line);
  }
}

/** The exact text, since administrators read it. */
const ADVICE =
  'failmode=safe does not hold for local callers without the resident engine (systemctl enable --now duo-ts.socket)';
