/** The record of a login: fields for journald, a line of JSON, and what the statistics get. */
import test, { type ExecutionContext } from 'ava';
import { DuoConnectionError } from '../../src/duo/errors.ts';
import { Channel, type Priority } from '../../src/login/messages.ts';
import { pamLogin } from '../../src/login/pam.ts';
import { auditLine, journalFields, type LoginRecord } from '../../src/login/record.ts';
import { configOf, factsOf } from '../lib/facts.ts';
import {
  ALLOWED,
  auth,
  authAsync,
  authStatus,
  MENU,
  ping,
  preauth,
  prompt,
  reply,
  type Step,
  Story,
  shows,
  WRONG,
} from '../lib/story.ts';

const CHOOSE = 'Passcode or option (1-2): ';
const TEXT = `Enter a passcode or select one:\n\n 1. Duo Push to XXX-XXX-1234\n 2. Phone call to XXX-XXX-1234\n\n${CHOOSE}`;
const asking = [ping(), preauth({ ...MENU, promptText: TEXT }), prompt(TEXT)];

/** Runs a login; returns its log with fields, and its record. */
async function record(t: ExecutionContext, steps: readonly Step[], config = '', service = 'sshd') {
  const story = new Story(steps);
  const records: LoginRecord[] = [];
  const lines: { text: string; fields: string | undefined }[] = [];
  const login = pamLogin({
    openDuo: async () => story.duo,
    localAddress: async () => undefined,
    engine: 'resident',
    recorded: (each) => records.push(each),
  });
  const facts = factsOf({ service, rhost: '192.0.2.7', config: configOf(config) });
  const context = {
    ...story.context,
    log: (_: Priority, text: string, channel: Channel = Channel.log, fields?: string) => {
      if (channel === Channel.log) lines.push({ text, fields });
    },
  };
  await login(facts, context).finally(() => story.over(t));
  t.is(records.length, 1);
  return { record: records[0], lines };
}

test('an approved push: factor, device, transaction and times', async (t) => {
  const steps = [
    ...asking,
    reply('1'),
    authAsync('tx1'),
    shows(''),
    authStatus(ALLOWED, 'tx1'),
    shows(ALLOWED.message),
  ];
  const { record: made, lines } = await record(t, steps, '', 'login');
  const { milliseconds, ...rest } = made ?? {};
  t.deepEqual(rest, {
    result: 'approved',
    reason: '',
    user: 'alice',
    duoUser: 'alice',
    program: 'pam',
    service: 'login',
    rhost: '192.0.2.7',
    tty: undefined,
    factor: 'push',
    device: 'Duo Push to XXX-XXX-1234',
    txid: 'tx1',
    failmode: 'safe',
    engine: 'resident',
  });
  t.deepEqual(Object.keys(milliseconds ?? {}), ['ping', 'preauth', 'prompt', 'auth', 'auth_status']);
  t.is(lines.length, 1);
  t.regex(lines[0]?.fields ?? '', /^DUO_RESULT=approved$/m);
  t.regex(lines[0]?.fields ?? '', /^DUO_DEVICE=Duo Push to XXX-XXX-1234$/m);
  t.regex(lines[0]?.fields ?? '', /^DUO_TXID=tx1$/m);
});

test('a passcode is in no record, whatever it looks like', async (t) => {
  for (const passcode of ['123456', 'push1secret', 'mysecretcode1']) {
    const steps = [...asking, reply(passcode), auth(WRONG), shows(WRONG.message)];
    const { record: made, lines } = await record(t, steps, 'prompts = 1\naudit = json');
    t.is(made?.result, 'failed');
    t.is(made?.factor, 'passcode');
    t.false(JSON.stringify([made, lines]).includes(passcode));
  }
});

test('failsafe: who was let in, and why', async (t) => {
  const error = new DuoConnectionError("Couldn't connect to h:1: Failed to connect");
  const { record: made, lines } = await record(t, [ping(error)], 'audit = json');
  t.is(made?.result, 'failsafe');
  t.is(made?.reason, error.message);
  const [, json] = lines;
  t.deepEqual(Object.keys(JSON.parse(json?.text ?? '')), ['duo_login']);
  t.is(JSON.parse(json?.text ?? '').duo_login.result, 'failsafe');
});

test('groups: an exempt user', async (t) => {
  const { record: made, lines } = await record(t, [], 'groups = nobody-is-in-it');
  t.is(made?.result, 'exempt');
  t.regex(lines[0]?.fields ?? '', /^DUO_RESULT=exempt$/m);
});

test('fields and JSON stay on one line', (t) => {
  const strange: LoginRecord = {
    result: 'denied',
    reason: 'a\nDUO_RESULT=approved\u0007',
    user: 'x\ny',
    duoUser: 'z',
    program: 'pam',
    service: 's',
    engine: 'private',
  };
  const fields = journalFields(strange);
  t.regex(fields, /^DUO_REASON=a DUO_RESULT=approved\?$/m);
  t.is(fields.match(/^DUO_RESULT=/gm)?.length, 1);
  t.true(fields.endsWith('\n'));
  t.is(auditLine(strange).split('\n').length, 1);
});
