import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { localAddress } from '../../src/duo/local-address.ts';
import {
  Duo,
  DuoClosedError,
  type DuoConversation,
  DuoFlag,
  DuoHandleError,
  type DuoOptions,
  DuoParameterError,
  type DuoResult,
} from '../../src/library/index.ts';
import type { CertificateKind } from '../../src/simulator/certificates.ts';
import type { Fault } from '../../src/simulator/faults.ts';
import {
  EXAMPLE_APPLICATION,
  type Simulator,
  type SimulatorOptions,
  startSimulator,
} from '../../src/simulator/simulator.ts';
import { quietPort } from '../lib/quiet-port.ts';

/** The file with the simulator's authority. */
function caFile(t: ExecutionContext, { ca }: Simulator): string {
  const place = mkdtempSync(join(tmpdir(), 'duo-library-'));
  t.teardown(() => rmSync(place, { recursive: true }));
  const cafile = join(place, 'ca.pem');
  writeFileSync(cafile, ca);
  return cafile;
}

async function opened(
  t: ExecutionContext,
  options: Partial<DuoOptions> = {},
  simulation: SimulatorOptions = {},
) {
  const simulator = await startSimulator(simulation);
  t.teardown(() => simulator.close());
  const { ikey, skey } = EXAMPLE_APPLICATION;
  const duo = await Duo.open({
    ikey,
    skey,
    host: `${simulator.host}:${simulator.port}`,
    cafile: caFile(t, simulator),
    ...options,
  });
  t.teardown(() => duo.close());
  duo.setConversation({ prompt: () => undefined });
  return { duo, simulator };
}

/** A conversation with these answers, and what it showed. */
function answering(...answers: readonly string[]) {
  const shown: string[] = [];
  const left = [...answers];
  const conversation: DuoConversation = {
    prompt: async (text) => {
      shown.push(text);
      return left.shift();
    },
    status: async (text) => {
      shown.push(text);
    },
  };
  return { conversation, shown };
}

/** `CODE stage: message` */
function brief({ code, stage, message }: DuoResult): string {
  return `${code} ${stage}: ${message}`;
}

test('DUO_OK: a passcode, and the request that Duo received', async (t) => {
  const { duo, simulator } = await opened(t, { progname: 'gate/2.1' });
  const { conversation, shown } = answering('100001');
  duo.setConversation(conversation);
  const result = await duo.login('alice', { clientIp: '192.0.2.7', command: 'rm -rf /' });
  t.is(brief(result), 'DUO_OK auth_status: Success. Logging you in...');
  t.is(duo.geterr(), undefined);
  t.regex(shown[0] ?? '', /^Duo two-factor login for alice\n.*Passcode or option \(1-3\): $/s);
  t.deepEqual(shown.slice(1), ['', 'Success. Logging you in...']);
  const [preauth, auth, ...polls] = simulator.service.calls;
  t.like(preauth, {
    call: 'preauth',
    form: { username: 'alice', ipaddr: '192.0.2.7', hostname: hostname() },
  });
  t.like(auth, { call: 'auth', form: { prompt: '100001', async: '1' } });
  t.regex(auth?.form['pushinfo'] ?? '', /(?:^|&)Command=rm%20-rf%20%2F$/);
  t.true(polls.length > 0 && polls.every(({ call }) => call === 'auth_status'));
  t.regex(
    preauth?.userAgent ?? '',
    /^gate\/2\.1 \(\S+-linux\) libduo\/\d+\.\d+\.\d+ ca_bundle\/1\.0 \(ca_pinning=enabled\)$/,
  );
});

test('DUO_OK: Duo requires no factor', async (t) => {
  const { duo } = await opened(t);
  const { conversation, shown } = answering();
  duo.setConversation(conversation);
  t.is(brief(await duo.login('bob')), 'DUO_OK preauth: Skipped two-factor authentication.');
  t.deepEqual(shown, ['Skipped two-factor authentication.']);
});

test('DUO_FAIL: a wrong passcode, which does not affect the next login', async (t) => {
  const { duo } = await opened(t);
  duo.setConversation(answering('999999', '100001').conversation);
  t.is(brief(await duo.login('alice')), 'DUO_FAIL auth_status: Incorrect passcode. Please try again.');
  t.is(duo.geterr(), 'Incorrect passcode. Please try again.');
  t.is((await duo.login('alice')).code, 'DUO_OK');
  t.is(duo.geterr(), 'Incorrect passcode. Please try again.');
});

const REFUSED = {
  carol: 'DUO_ABORT preauth: Your account is disabled and cannot access this application.',
  erin: 'DUO_ABORT preauth: User enrollment required',
  lock: 'DUO_ABORT preauth: Your account has been locked out. Please contact your administrator.',
};

for (const [user, expected] of Object.entries(REFUSED)) {
  test(`DUO_ABORT: ${user} is denied by policy`, async (t) => {
    const { duo } = await opened(t);
    const { conversation, shown } = answering();
    duo.setConversation(conversation);
    t.is(brief(await duo.login(user)), expected);
    t.is(shown.length, 1);
  });
}

const NO_ANSWER = new Error('nobody there');
const PROMPTS: Readonly<Record<string, Required<DuoConversation>['prompt']>> = {
  rejects: async () => Promise.reject(NO_ANSWER),
  throws: () => {
    throw NO_ANSWER;
  },
  'gives nothing': () => undefined,
  'gives more than a factor can be': () => '1'.repeat(256),
};

for (const [name, prompt] of Object.entries(PROMPTS)) {
  test(`DUO_ABORT: the prompt ${name}`, async (t) => {
    const { duo, simulator } = await opened(t);
    duo.setConversation({ prompt });
    const result = await duo.login('alice');
    t.is(brief(result), 'DUO_ABORT prompt: Error gathering user response');
    t.is(
      'cause' in result ? result.cause : undefined,
      /^(?:rejects|throws)$/.test(name) ? NO_ANSWER : undefined,
    );
    t.deepEqual(
      simulator.service.calls.map(({ call }) => call),
      ['preauth'],
    );
  });
}

test('DUO_ABORT: a status message that cannot be shown, even that of a success', async (t) => {
  const { duo } = await opened(t);
  const broken = new Error('the terminal is gone');
  duo.setConversation({
    prompt: () => '100001',
    status: async (text) => {
      if (text !== '') throw broken;
    },
  });
  t.deepEqual(await duo.login('alice'), {
    code: 'DUO_ABORT',
    stage: 'prompt',
    message: 'Error showing a status message',
    cause: broken,
  });
});

test('DUO_CONN_ERROR: a closed port', async (t) => {
  const { duo } = await opened(t);
  const port = await quietPort();
  duo.setHost(`localhost:${port}`);
  const result = await duo.login('alice', { flags: DuoFlag.Auto });
  t.is(brief(result), `DUO_CONN_ERROR preauth: Couldn't connect to localhost:${port}: Failed to connect`);
  t.is('error' in result ? result.error.code : undefined, 'ERR_DUO_CONNECTION');
});

const CERTIFICATES: Readonly<Partial<Record<CertificateKind, RegExp>>> = {
  expired: /: certificate verify failed: expired, if this host's clock is right \(\d{4}-\d\d-\d\d\)$/,
  'not-yet-valid':
    /: certificate verify failed: not valid yet, if this host's clock is right \(\d{4}-\d\d-\d\d\)$/,
  'self-signed': /: certificate verify failed$/,
  'wrong-name': /: Certificate name validation failed$/,
};

for (const [certificate, reason] of Object.entries(CERTIFICATES) as [CertificateKind, RegExp][]) {
  test(`DUO_CONN_ERROR: a certificate that is ${certificate}, unless verification is off`, async (t) => {
    const { duo } = await opened(t, {}, { certificate });
    const flags = DuoFlag.Auto | DuoFlag.Sync;
    const result = await duo.login('amy', { flags });
    t.is(result.code, 'DUO_CONN_ERROR');
    t.regex(result.message, reason);
    duo.setSslVerify(false);
    t.is((await duo.login('amy', { flags })).code, 'DUO_OK');
    duo.setSslVerify(true);
    t.is((await duo.login('amy', { flags })).code, 'DUO_CONN_ERROR');
  });
}

test('DUO_CONN_ERROR: the simulator is not trusted without its authority', async (t) => {
  const { duo } = await opened(t, { cafile: undefined });
  t.regex(
    brief(await duo.login('alice', { flags: DuoFlag.Auto })),
    /^DUO_CONN_ERROR preauth: .*verify failed$/,
  );
});

test('DUO_CLIENT_ERROR: a wrong key', async (t) => {
  const { duo } = await opened(t, { skey: 'another' });
  t.is(brief(await duo.login('alice')), 'DUO_CLIENT_ERROR preauth: Invalid ikey or skey');
});

test('DUO_CLIENT_ERROR: an unknown factor', async (t) => {
  const { duo } = await opened(t);
  duo.setConversation({ prompt: () => 'push7' });
  t.is(brief(await duo.login('alice')), 'DUO_CLIENT_ERROR auth: 40002: Invalid request parameters (prompt)');
});

const SERVER: Readonly<Record<string, Fault>> = {
  'HTTP 503': { kind: 'status', status: 503 },
  'invalid JSON response': { kind: 'status', status: 200, body: 'ok' },
  "JSON invalid 'result': maybe": { kind: 'response', response: { result: 'maybe' } },
};

for (const [message, fault] of Object.entries(SERVER)) {
  test(`DUO_SERVER_ERROR: ${message}`, async (t) => {
    const { duo, simulator } = await opened(t);
    simulator.service.faults.add('preauth', fault);
    t.is(brief(await duo.login('alice')), `DUO_SERVER_ERROR preauth: ${message}`);
  });
}

test('DUO_LIB_ERROR: this process has no free descriptors', async (t) => {
  const { simulator } = await opened(t);
  const { ikey, skey } = EXAMPLE_APPLICATION;
  const options = { ikey, skey, host: `127.0.0.1:${simulator.port}`, cafile: caFile(t, simulator) };
  const library = new URL('../../src/library/index.ts', import.meta.url).href;
  const program = `
    import { openSync } from 'node:fs';
    import { Duo, DuoFlag } from ${JSON.stringify(library)};
    const duo = await Duo.open(${JSON.stringify(options)});
    process.stdout.write('');
    try { for (;;) openSync('/dev/null'); } catch {}
    const { code, error } = await duo.login('bob', { flags: DuoFlag.Auto });
    process.stdout.write(code + ' ' + error.code);
  `;
  const child = spawn(
    '/bin/sh',
    ['-c', 'ulimit -n 200 && exec "$0" --input-type=module -', process.execPath],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  child.stdin.end(program);
  t.is(await text(child.stdout), 'DUO_LIB_ERROR ERR_DUO_LOCAL');
});

const WRONG_CALLS: Readonly<Record<string, Parameters<Duo['login']>>> = {
  'need username to authenticate': [''],
  'flags must be DuoFlag.Auto, DuoFlag.Sync or both': ['alice', { flags: 8 }],
};

for (const [message, call] of Object.entries(WRONG_CALLS)) {
  test(`DUO_CLIENT_ERROR: ${message}`, async (t) => {
    const { duo, simulator } = await opened(t);
    const result = await duo.login(...call);
    t.is(brief(result), `DUO_CLIENT_ERROR config: ${message}`);
    t.is('error' in result ? result.error.code : undefined, 'ERR_DUO_PARAMETER');
    t.is(duo.geterr(), message);
    t.deepEqual(simulator.service.calls, []);
  });
}

test('DUO_CLIENT_ERROR: no prompt function, and not automatic', async (t) => {
  const { duo } = await opened(t);
  duo.setConversation({ status: () => {} });
  t.is(
    brief(await duo.login('alice')),
    'DUO_CLIENT_ERROR config: nobody can be asked: set a prompt, or use DuoFlag.Auto',
  );
});

test('DuoFlag.Auto needs no prompt and no status function', async (t) => {
  const { duo, simulator } = await opened(t);
  duo.setConversation({});
  t.is((await duo.login('amy', { flags: DuoFlag.Auto })).code, 'DUO_OK');
  t.is(brief(await duo.login('dan', { flags: DuoFlag.Auto })), 'DUO_FAIL auth_status: Login request denied.');
  t.is(simulator.service.calls.find(({ call }) => call === 'auth')?.form['prompt'], 'push1');
});

test('DuoFlag.Sync: one call, one message', async (t) => {
  const { duo, simulator } = await opened(t);
  const { conversation, shown } = answering('1');
  duo.setConversation(conversation);
  t.is((await duo.login('amy', { flags: DuoFlag.Sync })).stage, 'auth');
  t.deepEqual(shown.slice(1), ['Success. Logging you in...']);
  t.is(simulator.service.calls.at(-1)?.form['async'], '0');
});

test('without clientIp the address of this host is sent', async (t) => {
  const { duo, simulator } = await opened(t);
  t.is((await duo.login('bob')).code, 'DUO_OK');
  t.is(simulator.service.calls.find(({ call }) => call === 'preauth')?.form['ipaddr'], await localAddress());
});

test('with an empty clientIp no address is sent', async (t) => {
  const { duo, simulator } = await opened(t);
  t.is((await duo.login('bob', { clientIp: '' })).code, 'DUO_OK');
  t.false('ipaddr' in (simulator.service.calls.find(({ call }) => call === 'preauth')?.form ?? {}));
});

test('the code of a Verified Push is shown', async (t) => {
  const { duo, simulator } = await opened(t, { verifiedPush: true });
  duo.setConversation({
    prompt: () => '1',
    status: (text) => {
      const [, code] = /verification code (\d+)/.exec(text) ?? [];
      if (code === undefined) return;
      for (const transaction of simulator.service.transactions.values()) transaction.approve(code);
    },
  });
  t.is((await duo.login('vera')).code, 'DUO_OK');
});

test('messages are shown in order, before the next prompt and before the end', async (t) => {
  const { duo } = await opened(t);
  const order: string[] = [];
  duo.setConversation({
    prompt: () => {
      order.push('prompt');
      return '2';
    },
    status: async (text) => {
      order.push(`< ${text}`);
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`> ${text}`);
    },
  });
  await duo.login('dan', { flags: DuoFlag.Auto });
  for (let i = 0; i < order.length; i += 2) t.is(order[i + 1], order[i]?.replace('<', '>'));
  t.is(order.at(-1), '> ');
});

/** Resolves at the next call of that name. */
async function call(simulator: Simulator, name: string): Promise<void> {
  for (;;) {
    const [seen] = await once(simulator.service, 'call');
    if (Reflect.get(seen, 'call') === name) return;
  }
}

test('an abort ends a login at once: before it starts, while it connects, prompts or waits for the phone', async (t) => {
  const { duo, simulator } = await opened(t);
  const reason = new Error('changed my mind');
  await t.throwsAsync(duo.login('alice', { signal: AbortSignal.abort(reason) }), { is: reason });
  t.deepEqual(simulator.service.calls, []);

  const during = async (begun: Promise<unknown>, flags: number) => {
    const abort = new AbortController();
    const login = duo.login('alice', { flags, signal: abort.signal });
    await begun;
    abort.abort(reason);
    await t.throwsAsync(login, { is: reason });
  };
  simulator.service.faults.add('preauth', { kind: 'hang' }, 1);
  await during(call(simulator, 'preauth'), DuoFlag.Auto);

  let promptSignal: AbortSignal | undefined;
  const asked = new Promise<void>((resolve) => {
    duo.setConversation({
      prompt: (_text, signal) => {
        promptSignal = signal;
        resolve();
        return new Promise(() => {});
      },
    });
  });
  await during(asked, 0);
  t.is(promptSignal?.reason, reason);

  await during(call(simulator, 'auth_status'), DuoFlag.Auto);
  await during(call(simulator, 'auth'), DuoFlag.Auto | DuoFlag.Sync);

  const shown = new Promise<void>((resolve) => {
    duo.setConversation({
      status: () => {
        resolve();
        return new Promise(() => {});
      },
    });
  });
  await during(shown, DuoFlag.Auto);
});

test('an abort without a reason is an AbortError, and no listener stays on the signal', async (t) => {
  const { duo } = await opened(t);
  duo.setConversation({ prompt: () => new Promise(() => {}) });
  const abort = new AbortController();
  const login = duo.login('alice', { signal: abort.signal });
  abort.abort();
  await t.throwsAsync(login, { name: 'AbortError' });
});

test('closing a handle ends its logins, and later calls fail', async (t) => {
  const { duo, simulator } = await opened(t);
  duo.setConversation({});
  const logins = [duo.login('alice', { flags: DuoFlag.Auto }), duo.login('amy2', { flags: DuoFlag.Auto })];
  await call(simulator, 'preauth');
  duo.close();
  duo.close();
  for (const login of logins) {
    const error = await t.throwsAsync(login, { instanceOf: DuoClosedError });
    t.is(error?.code, 'ERR_DUO_CLOSED');
  }
  await t.throwsAsync(duo.login('alice'), { instanceOf: DuoClosedError });
  t.throws(() => duo.setHost('a'), { instanceOf: DuoClosedError });
  t.throws(() => duo.setSslVerify(true), { instanceOf: DuoClosedError });
  t.throws(() => duo.setConversation({}), { instanceOf: DuoClosedError });
});

test('several handles, and several logins of one handle, work concurrently', async (t) => {
  const users = Object.fromEntries(
    Array.from({ length: 8 }, (_, i) => [`u${i}`, { passcodes: [`30000${i}`] }]),
  );
  const { duo, simulator } = await opened(t, {}, { users });
  const { duo: other } = await opened(t, {}, { users: { u0: { status: 'deny' } } });
  for (const handle of [duo, other]) {
    handle.setConversation({ prompt: async (text) => `30000${/login for u(\d)/.exec(text)?.[1]}` });
  }
  const results = await Promise.all([
    ...Object.keys(users).map((user) => duo.login(user)),
    duo.login('u9'),
    other.login('u0'),
  ]);
  t.deepEqual(
    results.map(({ code }) => code),
    [...Object.keys(users).map(() => 'DUO_OK' as const), 'DUO_ABORT', 'DUO_ABORT'],
  );
  t.is(simulator.service.transactions.size, 8);
});

test('setHost applies to the next login', async (t) => {
  const { duo, simulator } = await opened(t, { host: 'nowhere.invalid' });
  t.is(
    (await duo.login('bob')).message,
    "Couldn't connect to nowhere.invalid:443: Name or service not known",
  );
  duo.setHost(`localhost:${simulator.port}`);
  t.is((await duo.login('bob')).code, 'DUO_OK');
  t.throws(() => duo.setHost('http://localhost'), { instanceOf: DuoParameterError });
  t.throws(() => duo.setHost(''), { instanceOf: DuoParameterError });
});

const UNUSABLE: Readonly<Record<string, Partial<DuoOptions>>> = {
  'ikey is missing': { ikey: '' },
  'skey is missing': { skey: '' },
  'host must be NAME[:PORT]': { host: 'https://api.example.test/' },
  'progname holds characters that are not printable ASCII': { progname: 'a\r\nHost: b' },
  'cafile is empty': { cafile: '' },
  "cafile /nowhere/ca.pem can't be read (ENOENT)": { cafile: '/nowhere/ca.pem' },
  'http_proxy is not an HTTP proxy': { httpProxy: 'socks5://user:hunter2@localhost' },
  'httpsTimeout must be a number of seconds': { httpsTimeout: Number.NaN },
};

for (const [what, options] of Object.entries(UNUSABLE)) {
  test(`an invalid handle: ${what}`, async (t) => {
    const good = { ikey: 'DI', skey: 'secret', host: 'localhost' };
    const error = await t.throwsAsync(Duo.open({ ...good, ...options }), { instanceOf: DuoHandleError });
    t.true(error?.message.endsWith(what), error?.message);
    t.is(error?.code, 'ERR_DUO_HANDLE');
  });
}

test('the secret key is never shown', async (t) => {
  const { duo } = await opened(t, { skey: 'correct-horse-battery' });
  const result = await duo.login('alice');
  for (const shown of [inspect(duo, { showHidden: true, depth: 9 }), JSON.stringify(duo), inspect(result)]) {
    t.false(shown.includes('horse'), shown);
  }
});
