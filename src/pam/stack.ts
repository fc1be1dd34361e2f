/** A PAM stack as libpam reads it: the lines of one type, with includes and substacks in place. */

/** The return codes that a control can name, in the spelling of pam.conf(5). */
export const CODES = [
  'success',
  'open_err',
  'symbol_err',
  'service_err',
  'system_err',
  'buf_err',
  'perm_denied',
  'auth_err',
  'cred_insufficient',
  'authinfo_unavail',
  'user_unknown',
  'maxtries',
  'new_authtok_reqd',
  'acct_expired',
  'session_err',
  'cred_unavail',
  'cred_expired',
  'cred_err',
  'no_module_data',
  'conv_err',
  'authtok_err',
  'authtok_recover_err',
  'authtok_lock_busy',
  'authtok_disable_aging',
  'try_again',
  'ignore',
  'abort',
  'authtok_expired',
  'module_unknown',
  'bad_item',
  'conv_again',
  'incomplete',
] as const;
export type Code = (typeof CODES)[number];

/** What libpam does with a code; a number skips that many lines. */
export type Action = 'ok' | 'done' | 'bad' | 'die' | 'ignore' | 'reset' | number;

export const TYPES = ['auth', 'account', 'session', 'password'] as const;
export type Type = (typeof TYPES)[number];

/** One line that calls a module. */
export interface Line {
  readonly kind: 'call';
  readonly path: string;
  readonly number: number;
  /** As it is written: `required`, `[success=1 default=ignore]`. */
  readonly control: string;
  readonly actions: ReadonlyMap<Code, Action>;
  /** As it is written: `pam_unix.so` or a path. */
  readonly module: string;
  readonly arguments: readonly string[];
  /** How many substacks enclose it. */
  readonly depth: number;
}

/** A line that libpam cannot use: the stack then fails at this place. */
export interface Problem {
  readonly path: string;
  readonly number: number;
  readonly kind: 'include' | 'syntax';
  readonly text: string;
}

/** The begin of a substack, or a line that libpam cannot use. `depth`: how many substacks enclose it. */
export interface Other {
  readonly kind: 'substack' | 'must fail';
  readonly depth: number;
}

export interface Stack {
  readonly lines: readonly (Line | Other)[];
  readonly problems: readonly Problem[];
}

const KEYWORDS: Readonly<Record<string, string>> = {
  required: 'success=ok new_authtok_reqd=ok ignore=ignore default=bad',
  requisite: 'success=ok new_authtok_reqd=ok ignore=ignore default=die',
  sufficient: 'success=done new_authtok_reqd=done default=ignore',
  optional: 'success=ok new_authtok_reqd=ok default=ignore',
};

/** libpam includes no deeper. */
const MAX_DEPTH = 32;

/** Reads a file; undefined when there is none. */
export type ReadFile = (path: string) => string | undefined;

/** Where libpam looks for a service's file, in this order. */
export const DIRECTORIES = ['/etc/pam.d', '/usr/lib/pam.d'];

/** The stack of a service. Undefined when the service has no file. */
export function readStack(service: string, type: Type, readFile: ReadFile): Stack | undefined {
  const file = findFile(service, readFile);
  if (file === undefined) return undefined;
  const reader = new Reader(type, readFile);
  reader.read(file.path, file.text, 0, 0);
  return reader;
}

function findFile(name: string, readFile: ReadFile): { path: string; text: string } | undefined {
  const paths = name.startsWith('/') ? [name] : DIRECTORIES.map((directory) => `${directory}/${name}`);
  for (const path of paths) {
    const text = readFile(path);
    if (text !== undefined) return { path, text };
  }
  return undefined;
}

class Reader implements Stack {
  readonly lines: (Line | Other)[] = [];
  readonly problems: Problem[] = [];
  readonly #type: Type;
  readonly #readFile: ReadFile;

  constructor(type: Type, readFile: ReadFile) {
    this.#type = type;
    this.#readFile = readFile;
  }

  /** @param depth number of enclosing substacks; `nested` of enclosing files */
  read(path: string, text: string, depth: number, nested: number): void {
    for (const { number, words } of logicalLines(text)) {
      const [first = '', control = '', module, ...args] = words;
      const fail = (kind: Problem['kind'], problem: string) => {
        this.lines.push({ kind: 'must fail', depth });
        this.problems.push({ path, number, kind, text: problem });
      };
      const include = (name: string | undefined, inner: number) => {
        const file = name === undefined ? undefined : findFile(name, this.#readFile);
        if (file === undefined)
          fail('include', `includes ${name ?? 'a file without a name'}, which does not exist`);
        else if (nested >= MAX_DEPTH) fail('include', `includes ${file.path}, and so on without an end`);
        else this.read(file.path, file.text, inner, nested + 1);
      };
      if (first === '@include') {
        include(control, depth);
        continue;
      }
      const type = first.replace(/^-/, '').toLowerCase();
      if (!TYPES.some((known) => known === type))
        fail('syntax', `begins with '${first}', which is not a type of PAM`);
      if (type !== this.#type) continue;
      if (control === 'include') include(module, depth);
      else if (control === 'substack') {
        this.lines.push({ kind: 'substack', depth });
        include(module, depth + 1);
      } else {
        const actions = parseControl(control);
        if (actions === undefined) fail('syntax', `has the control '${control}', which PAM does not know`);
        else if (module === undefined) fail('syntax', 'names no module');
        else
          this.lines.push({ kind: 'call', path, number, control, actions, module, arguments: args, depth });
      }
    }
  }
}

/** A line with its continuations: where it begins and ends in the file, counted from 1. */
export interface LogicalLine {
  readonly number: number;
  readonly last: number;
  readonly words: readonly string[];
}

/** Joins continued lines, removes comments, and splits what is left into words; brackets hold words together. */
export function* logicalLines(text: string): Generator<LogicalLine> {
  let joined = '';
  let number = 0;
  for (const [at, line] of text.split('\n').entries()) {
    if (joined === '') number = at + 1;
    const plain = line.replace(/(?:^|\s)#.*/, '');
    joined += plain.replace(/\\\s*$/, ' ');
    if (/\\\s*$/.test(plain)) continue;
    const words = joined.match(/\[(?:\\.|[^\]])*\]|\S+/g);
    joined = '';
    if (words !== null) yield { number, last: at + 1, words };
  }
}

/** Undefined: libpam does not know this control. */
export function parseControl(control: string): ReadonlyMap<Code, Action> | undefined {
  const list = KEYWORDS[control.toLowerCase()] ?? /^\[(.*)\]$/.exec(control)?.[1];
  if (list === undefined) return undefined;
  const actions = new Map<Code, Action>();
  let others: Action = 'bad';
  for (const [, name = '', value = ''] of list.matchAll(/([^\s=]+)\s*=\s*(\S+)/g)) {
    const action = parseAction(value);
    if (action === undefined) return undefined;
    if (name === 'default') others = action;
    else if (isCode(name)) actions.set(name, action);
    else return undefined;
  }
  for (const code of CODES) if (!actions.has(code)) actions.set(code, others);
  return actions;
}

function parseAction(text: string): Action | undefined {
  switch (text) {
    case 'ok':
    case 'done':
    case 'bad':
    case 'die':
    case 'ignore':
    case 'reset':
      return text;
    default:
      return /^[1-9]\d{0,3}$/.test(text) ? Number(text) : undefined;
  }
}

function isCode(name: string): name is Code {
  return CODES.some((code) => code === name);
}
