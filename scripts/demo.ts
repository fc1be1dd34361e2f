/**
 * A real PAM login against a simulated Duo: libpam, pam_duo_ts.so, the engine, TLS. In a terminal the user
 * logs in. Without one, or with `--tour`, a fixed list of logins runs, and each unexpected result is a
 * failure.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { Fault } from '../src/simulator/faults.ts';
import { type Simulator, startSimulator } from '../src/simulator/simulator.ts';
import type { UsersInput } from '../src/simulator/users.ts';
import { loadPamClient } from '../src/unix/built-pam-client.ts';
import { PamCode, type PamConversation, type PamResult, PamStyle } from '../src/unix/pam-client.ts';
import { loadUnix } from '../src/unix/unix.ts';

const pam = loadPamClient();
const checkout = join(import.meta.dirname, '..');
const module = join(checkout, 'build/Release/pam_duo_ts.so');
const uid = process.getuid?.() ?? 0;
const user = (await loadUnix().userById(uid))?.name ?? '';

function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** A directory for the files of one login that the engine's user can read. */
class Place {
  readonly directory = mkdtempSync(join(tmpdir(), 'pam-duo-ts-'));
  readonly #cafile = join(this.directory, 'ca.pem');
  readonly #config = join(this.directory, 'pam_duo.conf');
  readonly #debug: boolean;

  constructor(debug: boolean) {
    this.#debug = debug;
    chmodSync(this.directory, 0o755);
    mkdirSync(join(this.directory, 'pam.d'));
  }

  login(simulator: Simulator, more: string, conversation: PamConversation): Promise<PamResult> {
    writeFileSync(this.#cafile, simulator.ca);
    writeFileSync(this.#config, simulator.config(this.#cafile, more), { mode: 0o600 });
    const line = `auth required ${module} conf=${this.#config}${this.#debug ? ' debug' : ''}\n`;
    writeFileSync(join(this.directory, 'pam.d/duo-demo'), line);
    const confdir = join(this.directory, 'pam.d');
    return pam.authenticate({ service: 'duo-demo', user, confdir, rhost: '192.0.2.10' }, conversation);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

interface Scene {
  readonly title: string;
  readonly users: UsersInput;
  readonly answers: readonly string[];
  readonly more?: string;
  readonly fault?: Fault;
  readonly expected: keyof typeof PamCode;
}

const DOWN: Fault = { kind: 'status', status: 503 };
const SCENES: readonly Scene[] = [
  {
    title: 'push, approved on the phone',
    users: { [user]: { phone: 'approve' } },
    answers: ['1'],
    expected: 'PAM_SUCCESS',
  },
  {
    title: 'push, denied on the phone three times',
    users: { [user]: { phone: 'deny' } },
    answers: ['1', '1', '1'],
    expected: 'PAM_MAXTRIES',
  },
  {
    title: 'passcode',
    users: { [user]: { passcodes: ['123456'] } },
    answers: ['123456'],
    expected: 'PAM_SUCCESS',
  },
  {
    title: 'three wrong passcodes',
    users: { [user]: {} },
    answers: ['1234567', '2345678', '3456789'],
    expected: 'PAM_MAXTRIES',
  },
  {
    title: 'bypass: Duo lets the user in without a factor',
    users: { [user]: { status: 'allow' } },
    answers: [],
    expected: 'PAM_SUCCESS',
  },
  {
    title: 'denied by policy',
    users: { [user]: { status: 'deny' } },
    answers: [],
    expected: 'PAM_ABORT',
  },
  { title: 'Duo is down, failmode safe', users: {}, answers: [], fault: DOWN, expected: 'PAM_SUCCESS' },
  {
    title: 'Duo is down, failmode secure',
    users: {},
    answers: [],
    fault: DOWN,
    more: 'failmode = secure',
    expected: 'PAM_SERVICE_ERR',
  },
];

/** Answers prompts in order. After the last answer the conversation fails. */
function scripted(answers: readonly string[]): PamConversation {
  const left = [...answers];
  return async (messages) => {
    const given: string[] = [];
    for (const { style } of messages) {
      const asks = style === PamStyle.promptEchoOn || style === PamStyle.promptEchoOff;
      const answer = asks ? left.shift() : '';
      if (answer === undefined) return null;
      given.push(answer);
    }
    return given;
  };
}

function nameOf(code: number): string {
  return Object.entries(PamCode).find(([, value]) => value === code)?.[0] ?? String(code);
}

/** Runs the tour and returns the number of unexpected results. */
async function tour(): Promise<number> {
  let wrong = 0;
  const place = new Place(false);
  try {
    for (const { title, users, answers, more = '', fault, expected } of SCENES) {
      const simulator = await startSimulator({ users });
      if (fault !== undefined) simulator.service.faults.add('*', fault);
      const { code } = await place.login(simulator, more, scripted(answers));
      await simulator.close();
      const good = code === PamCode[expected];
      if (!good) wrong += 1;
      say(`${good ? 'ok    ' : 'WRONG '} ${title}: expected ${expected}, got ${nameOf(code)}`);
    }
  } finally {
    place.remove();
  }
  say(wrong === 0 ? 'Everything went as expected.' : `${wrong} of ${SCENES.length} went another way.`);
  return wrong;
}

/** A login of the user at this terminal. */
async function interactive(): Promise<number> {
  const passcodes = ['111111', '222222', '333333'];
  const simulator = await startSimulator({ users: { [user]: { passcodes } } });
  const place = new Place(true);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  say(`\nA PAM login of ${user} begins: libpam → pam_duo_ts.so → the engine → TLS → a simulated Duo.\n`);
  say(`  The phone:  ${simulator.phoneUrl}   (open it in a browser, approve or deny pushes there)`);
  say(`  Passcodes:  ${passcodes.join('  ')}   (each works once)\n`);
  try {
    const { code, message } = await place.login(simulator, 'pushinfo = yes', async (messages) => {
      const answers: string[] = [];
      for (const { style, text } of messages) {
        const asks = style === PamStyle.promptEchoOn || style === PamStyle.promptEchoOff;
        if (asks) answers.push(await terminal.question(text));
        else {
          say(text);
          answers.push('');
        }
      }
      return answers;
    });
    say(
      `\n${code === PamCode.PAM_SUCCESS ? 'You are in.' : 'You are not in.'} libpam says ${nameOf(code)}: ${message}`,
    );
    say('\nRead next: README.md on putting it into sshd and sudo without locking yourself out.');
    say('`npm start -- --tour` shows what else can happen, `npm test` proves it.');
    return 0;
  } finally {
    terminal.close();
    place.remove();
    await simulator.close();
  }
}

/** Explains conditions under which the module would refuse to run. */
function obstacle(): string | undefined {
  if (user === '') return `there is no passwd entry for uid ${uid}`;
  for (const path of [join(checkout, 'build'), join(checkout, 'build/duo-ts')]) {
    const { uid: owner, mode } = statSync(path);
    if (owner !== 0 && owner !== uid) {
      return `${path} belongs to uid ${owner}: the module trusts root's engine and your own. Run this as the owner, or chown it.`;
    }
    if ((mode & 0o022) !== 0) return `${path} is writable by others: chmod go-w ${path}`;
  }
  return undefined;
}

const problem = obstacle();
if (problem !== undefined) {
  process.stderr.write(`demo: ${problem}\n`);
  process.exit(1);
}
const atTerminal = process.stdin.isTTY && process.stdout.isTTY && !process.argv.includes('--tour');
const wrong = atTerminal ? await interactive() : await tour();
process.exit(wrong === 0 ? 0 : 1);
