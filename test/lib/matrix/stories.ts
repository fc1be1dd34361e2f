/** Every possible PAM login, as data. */
import type { Facts } from '../../../src/login/messages.ts';

export const FAILMODES = ['safe', 'secure'] as const;
export type Failmode = (typeof FAILMODES)[number];

/** The kind of login. */
export interface Kind {
  readonly title: string;
  readonly facts: Partial<Facts>;
  readonly config: string;
  /** Prompts are possible. */
  readonly talks: boolean;
  readonly auto: boolean;
  readonly sync: boolean;
  /** The caller is a local user who could tamper with the engine. */
  readonly local?: true;
}

const TERMINAL = { facts: {}, config: '', talks: true, auto: false, sync: false } as const;
const SSHD = { facts: { service: 'sshd' }, sync: true } as const;
const AUTOPUSH = { config: 'autopush=yes', auto: true } as const;
const MUTE = { talks: false, auto: true, sync: true } as const;

export const KINDS: readonly Kind[] = [
  { ...TERMINAL, title: 'menu' },
  { ...TERMINAL, ...SSHD, title: 'menu, sshd' },
  { ...TERMINAL, ...AUTOPUSH, title: 'autopush' },
  { ...TERMINAL, ...AUTOPUSH, ...SSHD, title: 'autopush, sshd' },
  { ...TERMINAL, facts: { service: 'sudo', silent: true }, title: 'sudo, PAM_SILENT' },
  { ...TERMINAL, local: true, facts: { ruser: 'bert' }, title: 'local caller, private engine' },
  { ...TERMINAL, ...MUTE, facts: { silent: true }, title: 'PAM_SILENT' },
  { ...TERMINAL, ...MUTE, facts: { noConversation: true }, title: 'no conversation' },
];

export const FAILURES = [
  'no connection',
  'HTTP 5xx',
  'HTTP 401',
  'an unusable reply',
  'no answer in time',
  'another 4xx',
  'this host is short of something',
  'the host cancels',
] as const;
export type Failure = (typeof FAILURES)[number];
export type Call = 'ping' | 'preauth' | 'auth' | 'auth_status';

const ANSWERS = [
  'nothing entered',
  'too much entered',
  'fails',
  'no answer in time',
  'the host cancels',
] as const;
const CODE_ANSWERS = ['fails', 'no answer in time', 'the host cancels'] as const;
const DECISIONS = ['allow', 'deny', 'locked out', 'waiting for ever'] as const;
const MENUS = ['a menu', 'a menu without a default', 'a menu with a code'] as const;

/** Possible events, by their place. */
export interface What {
  readonly ping: Failure;
  readonly auth: Failure;
  readonly auth_status: Failure;
  readonly preauth: Failure | 'allow' | 'deny' | 'enroll';
  /** `impossible`: Duo's menu has no default factor, and no prompt is possible. */
  readonly prompt: (typeof ANSWERS)[number] | 'impossible';
  /** The prompt that shows the code of a Verified Push. */
  readonly code: (typeof CODE_ANSWERS)[number];
  readonly decision: (typeof DECISIONS)[number];
}

/** The event after everything before it succeeded. */
export type Event = {
  [At in keyof What]: { readonly at: At; readonly what: What[At] };
}[keyof What];

export type Menu = (typeof MENUS)[number];

/** One login. */
export interface Story {
  readonly failmode: Failmode;
  readonly kind: Kind;
  /** It follows a failed try. */
  readonly again: boolean;
  readonly menu: Menu;
  readonly event: Event;
}

type End = Pick<Story, 'menu' | 'event'>;

function* endsOf(kind: Kind): Generator<End> {
  for (const at of ['ping', 'preauth'] as const) {
    for (const what of FAILURES) yield { menu: 'a menu', event: { at, what } };
  }
  for (const what of ['allow', 'deny', 'enroll'] as const) {
    yield { menu: 'a menu', event: { at: 'preauth', what } };
  }
  for (const menu of MENUS) {
    // autopush and verified_push exclude each other, and a Verified Push needs a place to show its code.
    if (menu === 'a menu with a code' && kind.auto) continue;
    for (const event of eventsOf(kind, menu)) yield { menu, event };
  }
}

function* eventsOf({ auto, talks, sync }: Kind, menu: Menu): Generator<Event> {
  if (!auto || menu === 'a menu without a default') {
    if (!talks) return yield { at: 'prompt', what: 'impossible' };
    for (const what of ANSWERS) yield { at: 'prompt', what };
  }
  const code = menu === 'a menu with a code';
  // A login that shows a code is never one synchronous call.
  const oneCall = sync && !code;
  for (const what of FAILURES) yield { at: 'auth', what };
  if (!oneCall) for (const what of FAILURES) yield { at: 'auth_status', what };
  if (code && sync) for (const what of CODE_ANSWERS) yield { at: 'code', what };
  for (const what of DECISIONS) {
    // A synchronous call that waits forever has no answer in time.
    if (what !== 'waiting for ever' || !oneCall) yield { at: 'decision', what };
  }
}

export const STORIES: readonly Story[] = KINDS.flatMap((kind) =>
  [...endsOf(kind)].flatMap((end) =>
    (kind.talks ? [false, true] : [false]).flatMap((again) =>
      FAILMODES.map((failmode) => ({ failmode, kind, again, ...end })),
    ),
  ),
);
