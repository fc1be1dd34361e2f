/** `duo-ts auth`: one factor of one user, for scripts that root runs. */
import { hostname } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { Command, Option } from 'commander';
import { runProgram } from '../check/machine.ts';
import { localAddress } from '../duo/local-address.ts';
import {
  type Account,
  CancelledError,
  Channel,
  ConversationError,
  type Facts,
  type LoginContext,
  Outcome,
  Priority,
} from '../login/messages.ts';
import { openDuo } from '../login/open-duo.ts';
import type { Result } from '../login/record.ts';
import { scriptLogin } from '../login/script.ts';
import { readText } from './replace-file.ts';

const DEADLINE_MS = 105_000;
/** 0: the user authenticated, or needs no factor. 1: not. 2: Duo did not decide, whatever failmode says. */
const CODES: Readonly<Record<Result, number>> = {
  approved: 0,
  skipped: 0,
  exempt: 0,
  remembered: 0,
  trusted_key: 0,
  break_glass: 0,
  failed: 1,
  denied: 1,
  unanswered: 1,
  late: 1,
  cancelled: 1,
  failsafe: 2,
  failsecure: 2,
  error: 2,
};
const FACTORS: Readonly<Record<string, string | undefined>> = { push: 'push1', phone: 'phone1' };

interface Options {
  readonly factor?: 'push' | 'phone' | 'passcode';
  readonly config: string;
  readonly command?: string;
  readonly quiet?: true;
}

function accountOf(name: string): Account | undefined {
  const entry = runProgram('getent', 'passwd', name);
  const [account, , uid, , gecos = ''] = (entry?.stdout ?? '').trim().split(':');
  return entry?.status === 0 && account !== undefined && uid !== undefined
    ? { name: account, uid: Number(uid), gecos }
    : undefined;
}

/** One line of standard input. */
async function ask(text: string, signal: AbortSignal): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const closed = Promise.withResolvers<never>();
  terminal.once('close', () => closed.reject(new ConversationError('standard input has ended')));
  try {
    return await Promise.race([terminal.question(text, { signal }), closed.promise]);
  } finally {
    closed.promise.catch(() => {});
    terminal.close();
  }
}

function contextOf(user: string, signal: AbortSignal, quiet: boolean): LoginContext {
  return {
    groupsOf: async () => {
      const groups = runProgram('id', '--groups', '--name', user);
      return groups?.status === 0
        ? { names: groups.stdout.trim().split(' ') }
        : { error: groups?.stderr.trim() ?? 'id is not installed' };
    },
    noGroups: () => {},
    conversation: {
      prompt: (text) => ask(text, signal),
      status: (text) => {
        if (!quiet && text !== '') process.stderr.write(`${text}\n`);
      },
    },
    log: (priority, text, channel = Channel.log) => {
      if (channel === Channel.stderr || priority <= Priority.warning || !quiet)
        process.stderr.write(`${text}\n`);
    },
    signal,
  };
}

async function auth(user: string, { factor, config, command, quiet }: Options): Promise<void> {
  const root = process.geteuid?.() === 0;
  const text = root ? readText(config) : undefined;
  if (text === undefined) {
    const why = root ? `${config} does not exist` : `only root can read ${config}: sudo duo-ts auth ${user}`;
    process.stderr.write(`duo-ts auth: ${why}\n`);
    process.exitCode = 2;
    return;
  }
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => interrupted.abort(new CancelledError('cancelled')));
  const account = accountOf(user);
  const facts: Facts = {
    program: 'pam',
    service: 'duo-ts',
    user,
    silent: false,
    noConversation: false,
    callerUid: 0,
    ...(account === undefined ? {} : { account }),
    ...(command === undefined ? {} : { command }),
    config: { path: config, text },
    hostName: hostname(),
    deadline: DEADLINE_MS,
  };
  const ended: { result: Result } = { result: 'error' };
  const signal = AbortSignal.any([interrupted.signal, AbortSignal.timeout(DEADLINE_MS)]);
  try {
    const chosen = factor === 'passcode' ? await ask('Passcode: ', signal) : FACTORS[factor ?? ''];
    const tools = {
      openDuo,
      localAddress,
      engine: 'resident' as const,
      recorded: (record: { readonly result: Result }) => {
        ended.result = record.result;
      },
    };
    const verdict = await scriptLogin(tools, chosen)(facts, contextOf(user, signal, Boolean(quiet)));
    if (verdict.outcome === Outcome.pass && ended.result === 'failsafe')
      process.stderr.write('duo-ts auth: failmode would let the user in, but Duo has not decided\n');
  } catch (error) {
    if (!signal.aborted && !(error instanceof ConversationError)) throw error;
    ended.result = 'cancelled';
  }
  process.exit(CODES[ended.result]);
}

export function authCommand(): Command {
  return new Command('auth')
    .description('Ask Duo for a factor of one user. For scripts that root runs.')
    .argument('<user>', 'the account')
    .addOption(
      new Option(
        '--factor <factor>',
        "instead of Duo's menu; a passcode is read from standard input",
      ).choices(['push', 'phone', 'passcode']),
    )
    .option('--command <text>', 'what the push shows, with pushinfo = yes')
    .option('--config <file>', 'the configuration', '/etc/duo/pam_duo.conf')
    .option('--quiet', 'print warnings and errors only')
    .addHelpText(
      'after',
      '\nExit status: 0 approved, 1 denied or unanswered, 2 Duo could not decide.\n\nExample: duo-ts auth --factor push alice && reboot',
    )
    .action(auth);
}
