/** duo(3) in C and in TypeScript: the same logins have the same codes. And the engine's own decisions. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test from 'ava';
import type { DuoApi } from '../../src/duo/api.ts';
import { DUO_CODE_NAMES } from '../../src/duo/codes.ts';
import { Secret } from '../../src/lib/secret.ts';
import { Duo, DuoFlag } from '../../src/library/index.ts';
import { libduoLogin } from '../../src/login/libduo.ts';
import { DeadlineError, DuoCode, type Facts, type LoginContext, Outcome } from '../../src/login/messages.ts';
import { type DuoSettings, openDuo, type Product } from '../../src/login/open-duo.ts';
import type { Fault } from '../../src/simulator/faults.ts';
import { EXAMPLE_APPLICATION, type Simulator, type SimulatorOptions } from '../../src/simulator/simulator.ts';
import { compile, type Ran, runWithout } from '../lib/compile.ts';
import { never, simulatorFor, type Teardown } from '../lib/service.ts';
import { MENU } from '../lib/story.ts';

const directory = mkdtempSync(join(tmpdir(), 'libduo-'));
const program = join(directory, 'login');

test.before(() => {
  const library = resolve('build/Release');
  const flags = ['-Wall', '-Wextra', '-Werror', '-Inative/libduo', `-L${library}`, `-Wl,-rpath,${library}`];
  compile('cc', ...flags, '-o', program, 'examples/login.c', '-lduo_ts');
});
test.after.always(() => rmSync(directory, { recursive: true, force: true }));

interface Try {
  readonly user: string;
  readonly auto?: boolean;
  readonly sync?: boolean;
  /** The typed input; without it, standard input is at its end. */
  readonly answer?: string;
  readonly skey?: string;
  readonly command?: string;
  readonly clientIp?: string;
}

let count = 0;

/** One login by the C program. */
function inC(simulator: Simulator, { user, auto, sync, answer, skey, command, clientIp }: Try): Promise<Ran> {
  count += 1;
  const application = join(directory, `application-${count}`);
  const cafile = join(directory, `ca-${count}.pem`);
  const { ikey } = EXAMPLE_APPLICATION;
  writeFileSync(
    application,
    `${simulator.host}:${simulator.port} ${ikey} ${skey ?? EXAMPLE_APPLICATION.skey}\n`,
  );
  writeFileSync(cafile, simulator.ca);
  const options = [
    ...(auto === true ? ['-a'] : []),
    ...(sync === true ? ['-s'] : []),
    ...(command === undefined ? [] : ['-c', command]),
    ...(clientIp === undefined ? [] : ['-i', clientIp]),
  ];
  const input = answer === undefined ? '' : `${answer}\n`;
  return runWithout({ input }, program, [...options, '-f', cafile, application, user]);
}

/** The same login by the library for Node programs: its result, and its output. */
async function inTypeScript(simulator: Simulator, what: Try) {
  const { user, auto, sync, answer, skey, command, clientIp } = what;
  count += 1;
  const cafile = join(directory, `ca-${count}.pem`);
  writeFileSync(cafile, simulator.ca);
  const duo = await Duo.open({
    ikey: EXAMPLE_APPLICATION.ikey,
    skey: skey ?? EXAMPLE_APPLICATION.skey,
    host: `${simulator.host}:${simulator.port}`,
    progname: 'example/1.0',
    cafile,
  });
  const said: string[] = [];
  duo.setConversation({
    prompt: (text) => {
      said.push(text);
      return answer;
    },
    status: (text) => said.push(text),
  });
  const flags = (auto === true ? DuoFlag.Auto : 0) | (sync === true ? DuoFlag.Sync : 0);
  try {
    return { result: await duo.login(user, { flags, command, clientIp }), said };
  } finally {
    duo.close();
  }
}

/** The requests to Duo, without the fields that always differ. */
function told({ service }: Simulator) {
  return service.calls.map(({ call, form, userAgent }) => {
    const { hostname: _, txid: __, ...rest } = form;
    return { call, userAgent, ...rest };
  });
}

interface Scene extends Try {
  readonly code: DuoCode;
  readonly options?: SimulatorOptions;
  readonly fault?: readonly [string, Fault];
}

const denial = (code: number) => JSON.stringify({ stat: 'FAIL', code, message: 'Not like that' });

const scenes: Readonly<Record<string, Scene>> = {
  'a push that is approved': { user: 'amy', auto: true, code: DuoCode.ok },
  'a push that is approved, synchronously': { user: 'amy', auto: true, sync: true, code: DuoCode.ok },
  'a push that is chosen from the menu': { user: 'amy', answer: '1', code: DuoCode.ok },
  'a push with a command, from afar': {
    user: 'amy',
    auto: true,
    command: 'rm -r /',
    clientIp: '198.51.100.7',
    code: DuoCode.ok,
  },
  'a push that is denied': { user: 'dan', auto: true, code: DuoCode.fail },
  'a push that is denied, synchronously': { user: 'dan', auto: true, sync: true, code: DuoCode.fail },
  'a passcode': { user: 'amy', answer: '200001', code: DuoCode.ok },
  'a passcode, synchronously': { user: 'amy', sync: true, answer: '200001', code: DuoCode.ok },
  'a wrong passcode': { user: 'amy', answer: '999999', code: DuoCode.fail },
  'an empty answer': { user: 'amy', answer: '', code: DuoCode.fail },
  'an answer that is too long': { user: 'amy', answer: '1'.repeat(300), code: DuoCode.abort },
  'no answer': { user: 'amy', code: DuoCode.abort },
  'a user whom Duo lets in': { user: 'bob', code: DuoCode.ok },
  'a user whom policy denies': { user: 'carol', code: DuoCode.abort },
  'a user who is locked out': { user: 'lock', code: DuoCode.abort },
  'a user who must enrol': { user: 'erin', code: DuoCode.abort },
  'a user whom Duo does not know': { user: 'zoë', code: DuoCode.abort },
  'a wrong skey': { user: 'amy', skey: 'x'.repeat(40), code: DuoCode.clientError },
  'a request that Duo refuses': {
    user: 'amy',
    fault: ['preauth', { kind: 'status', status: 400, body: denial(40002) }],
    code: DuoCode.clientError,
  },
  'no service': { user: 'amy', fault: ['*', { kind: 'drop' }], code: DuoCode.connError },
  'a service that is gone in mid-login': {
    user: 'amy',
    auto: true,
    fault: ['auth', { kind: 'drop' }],
    code: DuoCode.connError,
  },
  'a service that is out of order': {
    user: 'amy',
    fault: ['*', { kind: 'status', status: 503 }],
    code: DuoCode.serverError,
  },
  'a reply that is no HTTP': {
    user: 'amy',
    fault: ['preauth', { kind: 'garbage' }],
    code: DuoCode.connError,
  },
  'a reply that is no answer': {
    user: 'amy',
    fault: ['preauth', { kind: 'response', response: 'what?' }],
    code: DuoCode.serverError,
  },
  'a certificate of another name': {
    user: 'amy',
    options: { certificate: 'wrong-name' },
    code: DuoCode.connError,
  },
  'a certificate that has expired': {
    user: 'amy',
    options: { certificate: 'expired' },
    code: DuoCode.connError,
  },
};

async function simulatorOf(t: Teardown, { options = {}, fault }: Scene): Promise<Simulator> {
  const simulator = await simulatorFor(t, options);
  if (fault !== undefined) simulator.service.faults.add(...fault);
  return simulator;
}

for (const [name, scene] of Object.entries(scenes)) {
  test.serial(name, async (t) => {
    const [one, another] = [await simulatorOf(t, scene), await simulatorOf(t, scene)];
    const { result, said } = await inTypeScript(one, scene);
    const { status, stdout, stderr } = await inC(another, scene);
    t.is(result.code, DUO_CODE_NAMES[scene.code]);
    t.is(status, scene.code, stderr);
    t.deepEqual(told(another), told(one));
    // Each simulator has a port of its own.
    const expected = result.message.replace(`:${one.port}`, `:${another.port}`);
    const ok = scene.code === DuoCode.ok;
    t.is(stderr, ok ? '' : `No entry: ${expected}\n`);
    // A prompt ends where the answer begins; a status message has its own line.
    const seen = `${said.join('')}${ok ? `Welcome, ${scene.user}.` : ''}`;
    t.is(stdout.replaceAll('\n', ''), seen.replaceAll('\n', ''));
  });
}

test.serial('Duo gets what the program passed', async (t) => {
  const simulator = await simulatorFor(t);
  const clientIp = '198.51.100.7';
  const { status } = await inC(simulator, { user: 'amy', auto: true, command: 'rm -r /', clientIp });
  t.is(status, DuoCode.ok);
  const { calls } = simulator.service;
  const preauth = calls.find(({ call }) => call === 'preauth');
  const auth = calls.find(({ call }) => call === 'auth');
  t.regex(
    preauth?.userAgent ?? '',
    /^example\/1\.0 \(\w+-linux\) libduo\/\d+\.\d+\.\d+ ca_bundle\/1\.0 \(ca_pinning=enabled\)$/,
  );
  t.is(preauth?.form['username'], 'amy');
  t.is(preauth?.form['ipaddr'], clientIp);
  t.is(preauth?.form['failmode'], 'closed');
  t.is(auth?.form['ipaddr'], clientIp);
  t.true((auth?.form['hostname'] ?? '').length > 0);
  t.is(new URLSearchParams(auth?.form['pushinfo']).get('Command'), 'rm -r /');
});

/* ---- the engine alone ---- */

const application = {
  ikey: EXAMPLE_APPLICATION.ikey,
  skey: new Secret(EXAMPLE_APPLICATION.skey),
  host: 'localhost',
  verify: true,
  httpsTimeout: 0,
  auto: true,
  sync: false,
};
const facts: Facts = {
  program: 'libduo',
  service: 'test/1.0',
  user: 'amy',
  silent: false,
  noConversation: false,
  callerUid: 1000,
  application,
  hostName: 'host',
  deadline: 105_000,
};

function contextFor(signal = never): LoginContext {
  return {
    groupsOf: async () => {
      throw new Error('libduo needs no groups');
    },
    noGroups: () => {},
    conversation: { prompt: async () => '1', status: () => {} },
    log: () => {
      throw new Error('libduo has no log');
    },
    signal,
  };
}

const really = (settings: DuoSettings) => openDuo(settings, () => {}, { product: 'test' });

/** Logs in and returns the verdict and the settings of the Duo client. */
async function engine(
  more: Partial<Facts>,
  open: (settings: DuoSettings) => Promise<DuoApi>,
  signal = never,
) {
  const opened: (DuoSettings & Product)[] = [];
  const login = libduoLogin({
    openDuo: async (settings, _, program) => {
      opened.push({ ...settings, ...program });
      return open(settings);
    },
    localAddress: async () => '192.0.2.1',
  });
  return { verdict: await login({ ...facts, ...more }, contextFor(signal)), opened };
}

const asked: Parameters<DuoApi['preauth']>[0][] = [];
const unused = async (): Promise<never> => {
  throw new Error('not part of this story');
};
const lettingIn: DuoApi = {
  ping: async () => {},
  preauth: async (request) => {
    asked.push(request);
    return { result: 'allow', message: '' };
  },
  auth: unused,
  authAsync: unused,
  authStatus: unused,
  close: () => {},
};

for (const host of ['', ':443', 'a b', 'host:0', 'host:70000', 'https://host']) {
  test(`an invalid API host: '${host}'`, async (t) => {
    const { verdict, opened } = await engine({ application: { ...application, host } }, unused);
    t.is(verdict.code, DuoCode.clientError);
    t.is(verdict.outcome, Outcome.serviceError);
    t.is(verdict.error, `Invalid host: '${host}'`);
    t.is(opened.length, 0);
  });
}

test('an unnamed program', async (t) => {
  const { application: _, ...bare } = facts;
  const login = libduoLogin({ openDuo: unused, localAddress: unused });
  t.is((await login(bare, contextFor())).code, DuoCode.libError);
});

test("the program's settings reach the client", async (t) => {
  const { ca: authorities } = await simulatorFor(t);
  const { opened } = await engine(
    {
      service: 'é\r\nX: y',
      application: { ...application, host: '[::1]:8443', authorities, httpsTimeout: 9 },
    },
    async () => lettingIn,
  );
  t.like(opened[0], {
    host: '::1',
    port: 8443,
    noverify: false,
    trust: { kind: 'authorities', pem: [authorities.trim()] },
    httpsTimeout: 9,
    product: '???X: y',
  });
  const { opened: loose } = await engine(
    { application: { ...application, verify: false, authorities } },
    async () => lettingIn,
  );
  t.like(loose[0], { noverify: true, trust: undefined });
});

for (const [name, rhost, ipaddr] of [
  ['the local host', undefined, '192.0.2.1'],
  ['a client', '198.51.100.7', '198.51.100.7'],
  ['a client that is not known', '', undefined],
] as const) {
  test.serial(`the address of ${name}`, async (t) => {
    await engine(rhost === undefined ? {} : { rhost }, async () => lettingIn);
    t.is(asked.at(-1)?.ipaddr, ipaddr);
  });
}

test('invalid authorities and an invalid proxy', async (t) => {
  const begin = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
  const bad = await engine({ application: { ...application, authorities: begin } }, really);
  t.is(bad.verdict.code, DuoCode.libError);
  t.regex(bad.verdict.error, /certificate authorities hold no usable certificates/);
  const httpProxy = new Secret('https://user:password@proxy');
  const proxy = await engine({ application: { ...application, httpProxy } }, really);
  t.is(proxy.verdict.code, DuoCode.libError);
  t.regex(proxy.verdict.error, /http_proxy is not an HTTP proxy/);
  t.notRegex(proxy.verdict.error, /password/);
});

test('without verification any certificate is accepted, and authorities are optional', async (t) => {
  const simulator = await simulatorFor(t);
  const host = `${simulator.host}:${simulator.port}`;
  const login = async (verify: boolean) =>
    (await engine({ user: 'bob', application: { ...application, host, verify } }, really)).verdict;
  t.is((await login(false)).code, DuoCode.ok);
  const judged = await login(true);
  t.is(judged.code, DuoCode.connError);
  t.regex(judged.error, /certificate verify failed/);
});

for (const [stage, code] of [
  ['ping', DuoCode.libError],
  ['preauth', DuoCode.libError],
  ['auth', DuoCode.fail],
] as const) {
  test(`a timeout at ${stage} is not an unreachable Duo`, async (t) => {
    const late = new AbortController();
    const over = async (): Promise<never> => {
      late.abort(new DeadlineError('late'));
      throw late.signal.reason;
    };
    const duo: DuoApi = {
      ...lettingIn,
      ...(stage === 'ping' ? { ping: over } : {}),
      ...(stage === 'preauth' ? { preauth: over } : {}),
      ...(stage === 'auth' ? { preauth: async () => MENU, auth: over, authAsync: over } : {}),
    };
    const { verdict } = await engine(
      { application: { ...application, auto: true } },
      async () => duo,
      late.signal,
    );
    t.is(verdict.code, code);
    t.is(verdict.error, `the time for this login is over (while waiting for Duo's answer to ${stage})`);
  });
}

test('a timeout before the first request is not an unreachable Duo', async (t) => {
  const late = new AbortController();
  const login = libduoLogin({
    openDuo: async () => ({ ...lettingIn, ping: async (signal) => signal.throwIfAborted() }),
    localAddress: async () => {
      late.abort(new DeadlineError('late'));
      return undefined;
    },
  });
  t.is((await login(facts, contextFor(late.signal))).code, DuoCode.libError);
});
