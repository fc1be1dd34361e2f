import { inspect } from 'node:util';
import test from 'ava';
import { factsFromFrame, factsToFrame, groupsFromFrame, groupsToFrame } from '../../src/bridge/facts.ts';
import { decodeFrame, encodeFrame, type Field, FrameError, FrameType } from '../../src/bridge/frame.ts';
import { Secret } from '../../src/lib/secret.ts';
import type { Application, Facts, Groups } from '../../src/login/messages.ts';
import { ALICE, configOf, factsOf, ROOT } from '../lib/facts.ts';

const { account: _account, caller: _caller, config: _config, ...least } = factsOf();
const nobody = { ...least, config: configOf() };

const APPLICATION: Application = {
  ikey: 'DIXXXXXXXXXXXXXXXXXX',
  skey: new Secret('never-to-be-seen'),
  host: 'api.example.test:8443',
  verify: true,
  httpsTimeout: 30,
  auto: false,
  sync: false,
};

const whole: Readonly<Record<string, Facts>> = {
  'the least that there can be': least,
  'no passwd entry at all': nobody,
  'an application': { ...least, program: 'libduo', application: APPLICATION },
  'an application with everything': {
    ...least,
    program: 'libduo',
    application: {
      ...APPLICATION,
      authorities: 'PEM',
      verify: false,
      httpProxy: new Secret('http://u:p@proxy.test:3128'),
      auto: true,
      sync: true,
    },
  },
  'no passwd entry for the caller': { ...nobody, account: ALICE },
  'no passwd entry for the user': { ...nobody, caller: ROOT },
  everything: factsOf({
    program: 'login_duo',
    rhost: '2001:db8::1',
    tty: 'ssh',
    ruser: 'bert',
    loginUid: 1000,
    command: '/bin/ls "-l" \u2028',
    duoUser: 'alice.duo',
    envFactor: new Secret('push1'),
    silent: true,
    noConversation: true,
    callerUid: 0xffff_ffff,
    caller: { ...ROOT, uid: 0xffff_ffff },
  }),
  'a silent host': factsOf({ silent: true }),
  'a host without a conversation': factsOf({ noConversation: true }),
  'facts that are empty are not absent': factsOf({ rhost: '', tty: '', ruser: '', loginUid: 0, command: '' }),
};
for (const [name, facts] of Object.entries(whole)) {
  test(`decoded as sent: ${name}`, (t) => {
    const received = factsFromFrame(decodeFrame(factsToFrame(facts).subarray(4)));
    t.deepEqual(received, facts);
    t.is(received.application?.skey.reveal(), facts.application?.skey.reveal());
    t.is(received.application?.httpProxy?.reveal(), facts.application?.httpProxy?.reveal());
    t.is(received.envFactor?.reveal(), facts.envFactor?.reveal());
    t.notRegex(inspect({ ...received, config: undefined }, { depth: null }), /never-to-be-seen|u:p@|push1/);
  });
}

test('users whose passwd entries could not be read', (t) => {
  const { account: _account, caller: _caller, ...rest } = factsOf();
  const facts: Facts = { ...rest, accountError: 'out of memory', callerError: 'Input/output error' };
  t.deepEqual(factsFromFrame(decodeFrame(factsToFrame(facts).subarray(4))), facts);
});

const groups: Readonly<Record<string, Groups>> = {
  none: { names: [] },
  many: { names: Array.from({ length: 3000 }, (_, i) => `group-${i}`) },
  'an error': { error: 'Connection refused' },
};
for (const [name, sent] of Object.entries(groups)) {
  test(`GROUPS decoded as sent: ${name}`, (t) => {
    t.deepEqual(groupsFromFrame(decodeFrame(groupsToFrame(sent).subarray(4))), sent);
  });
}

/** Fields of a valid FACTS frame, some removed and others added. */
function read(without: readonly string[], more: readonly Field[] = []): Facts {
  const least: Field[] = [
    ['program', 'pam'],
    ['service', 'login'],
    ['user', 'alice'],
    ['flags', 0],
    ['callerUid', 0],
    ['hostName', 'host'],
    ['deadline', 1],
  ];
  const fields = [...least.filter(([name]) => !without.includes(name)), ...more];
  return factsFromFrame(decodeFrame(encodeFrame(FrameType.facts, fields).subarray(4)));
}

for (const name of ['program', 'service', 'user', 'flags', 'callerUid', 'hostName', 'deadline']) {
  test(`FACTS without ${name} are refused`, (t) => {
    t.throws(() => read([name]), { instanceOf: FrameError, message: `field ${name} is missing` });
  });
}

test('an unknown program is refused', (t) => {
  t.throws(() => read(['program'], [['program', 'sudo']]), { message: 'field program names no program' });
});

test('a passwd entry needs a uid', (t) => {
  t.throws(() => read([], [['accountName', 'alice']]), { message: 'field accountUid is missing' });
});

test('a passwd entry needs a name', (t) => {
  t.is(read([], [['accountUid', 0]]).account, undefined);
});

test('unknown flags are ignored', (t) => {
  t.like(read(['flags'], [['flags', 0xffff_fffc]]), { silent: false, noConversation: false });
});

test('a configuration is at most 65536 bytes and has a path', (t) => {
  const path: Field = ['configPath', '/etc/duo/pam_duo.conf'];
  t.is(read([], [path, ['configText', 'x'.repeat(65_536)]]).config?.text.length, 65_536);
  t.throws(() => read([], [path, ['configText', 'x'.repeat(65_537)]]), {
    message: 'field configText is too long',
  });
  t.throws(() => read([], [['configText', '']]), { message: 'field configPath is missing' });
  t.is(read([], [path]).config, undefined);
});

const application: readonly Field[] = [
  ['ikey', 'DI'],
  ['skey', 'never-to-be-seen'],
  ['apiHost', 'api.example.test'],
  ['loginFlags', 0],
  ['httpsTimeout', 0],
  ['tlsVerify', 1],
];
for (const [name] of application.slice(1)) {
  test(`an application without ${name} is refused`, (t) => {
    t.throws(
      () =>
        read(
          [],
          application.filter(([each]) => each !== name),
        ),
      {
        instanceOf: FrameError,
        message: `field ${name} is missing`,
      },
    );
  });
}

test('certificates are verified unless the caller sends 0', (t) => {
  const verify = (value: number) =>
    read([], [...application.slice(0, -1), ['tlsVerify', value]]).application?.verify;
  t.deepEqual([verify(0), verify(1), verify(2)], [false, true, true]);
});

test('another frame is not FACTS', (t) => {
  t.throws(() => factsFromFrame(decodeFrame(Buffer.of(FrameType.cancel))), {
    instanceOf: FrameError,
    message: 'frame type 4 where FACTS belong',
  });
});
