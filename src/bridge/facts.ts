/** FACTS and GROUPS of PROTOCOL.md: decoding for logins, encoding for tests. */
import { Secret } from '../lib/secret.ts';
import type { Account, Application, ConfigText, Facts, Groups } from '../login/messages.ts';
import { encodeFrame, type Field, type Frame, FrameError, FrameType } from './frame.ts';

const FLAG_SILENT = 1;
const FLAG_NO_CONVERSATION = 2;
const FLAG_PASSED_BEFORE = 4;
const LOGIN_SYNC = 1;
const LOGIN_AUTO = 2;
const MAX_CONFIG = 65_536;

const PROGRAMS: readonly Facts['program'][] = ['pam', 'login_duo', 'libduo'];

/**
 * Decodes FACTS.
 * @throws FrameError when a fact is missing or invalid
 */
export function factsFromFrame(frame: Frame): Facts {
  if (frame.type !== FrameType.facts) throw new FrameError(`frame type ${frame.type} where FACTS belong`);
  const program = PROGRAMS.find((name) => name === frame.text('program'));
  if (program === undefined) throw new FrameError('field program names no program');
  const flags = frame.number('flags');
  const callerUid = frame.number('callerUid');
  return {
    program,
    service: frame.text('service'),
    user: frame.text('user'),
    ...optional('rhost', frame.optionalText('rhost')),
    ...optional('tty', frame.optionalText('tty')),
    ...optional('ruser', frame.optionalText('ruser')),
    silent: (flags & FLAG_SILENT) !== 0,
    noConversation: (flags & FLAG_NO_CONVERSATION) !== 0,
    ...((flags & FLAG_PASSED_BEFORE) === 0 ? {} : { passedBefore: true }),
    callerUid,
    ...optional('loginUid', frame.optionalNumber('loginUid')),
    ...optional('session', frame.optionalNumber('session')),
    ...optional('authInfo', frame.optionalText('authInfo')),
    ...optional('account', account(frame, 'account', frame.optionalNumber('accountUid'))),
    ...optional('accountError', frame.optionalText('accountError')),
    ...optional('caller', account(frame, 'caller', callerUid)),
    ...optional('callerError', frame.optionalText('callerError')),
    ...optional('command', frame.optionalText('command')),
    ...optional('duoUser', frame.optionalText('duoUser')),
    ...optional('envFactor', secret(frame.optionalText('envFactor'))),
    ...optional('config', configText(frame)),
    ...optional('application', application(frame)),
    hostName: frame.text('hostName'),
    deadline: frame.number('deadline'),
  };
}

function account(frame: Frame, whose: 'account' | 'caller', uid: number | undefined): Account | undefined {
  const name = frame.optionalText(`${whose}Name`);
  if (name === undefined) return undefined;
  if (uid === undefined) throw new FrameError(`field ${whose}Uid is missing`);
  return { name, uid, gecos: frame.optionalText(`${whose}Gecos`) ?? '' };
}

/** Decodes GROUPS. */
export function groupsFromFrame(frame: Frame): Groups {
  const error = frame.optionalText('groupsError');
  return error === undefined ? { names: frame.texts('group') } : { error };
}

function configText(frame: Frame): ConfigText | undefined {
  const text = frame.optionalText('configText');
  if (text === undefined) return undefined;
  if (text.length > MAX_CONFIG) throw new FrameError('field configText is too long');
  return { path: frame.text('configPath'), text };
}

function application(frame: Frame): Application | undefined {
  const ikey = frame.optionalText('ikey');
  if (ikey === undefined) return undefined;
  const flags = frame.number('loginFlags');
  return {
    ikey,
    skey: new Secret(frame.text('skey')),
    host: frame.text('apiHost'),
    ...optional('authorities', frame.optionalText('authorities')),
    verify: frame.number('tlsVerify') !== 0,
    ...optional('httpProxy', secret(frame.optionalText('httpProxy'))),
    httpsTimeout: frame.number('httpsTimeout'),
    auto: (flags & LOGIN_AUTO) !== 0,
    sync: (flags & LOGIN_SYNC) !== 0,
  };
}

function secret(text: string | undefined): Secret | undefined {
  return text === undefined ? undefined : new Secret(text);
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V });
}

/** Encodes a FACTS frame. */
export function factsToFrame(facts: Facts): Buffer {
  const fields: Field[] = [
    ['program', facts.program],
    ['service', facts.service],
    ['user', facts.user],
  ];
  if (facts.rhost !== undefined) fields.push(['rhost', facts.rhost]);
  if (facts.tty !== undefined) fields.push(['tty', facts.tty]);
  if (facts.ruser !== undefined) fields.push(['ruser', facts.ruser]);
  fields.push(['flags', flagsOf(facts)], ['callerUid', facts.callerUid]);
  if (facts.loginUid !== undefined) fields.push(['loginUid', facts.loginUid]);
  if (facts.session !== undefined) fields.push(['session', facts.session]);
  if (facts.authInfo !== undefined) fields.push(['authInfo', facts.authInfo]);
  if (facts.account !== undefined) {
    fields.push(['accountUid', facts.account.uid], ...accountFields('account', facts.account));
  }
  if (facts.accountError !== undefined) fields.push(['accountError', facts.accountError]);
  if (facts.caller !== undefined) fields.push(...accountFields('caller', facts.caller));
  if (facts.callerError !== undefined) fields.push(['callerError', facts.callerError]);
  if (facts.command !== undefined) fields.push(['command', facts.command]);
  if (facts.config !== undefined) {
    fields.push(['configPath', facts.config.path], ['configText', facts.config.text]);
  }
  fields.push(['hostName', facts.hostName], ['deadline', facts.deadline]);
  if (facts.duoUser !== undefined) fields.push(['duoUser', facts.duoUser]);
  if (facts.envFactor !== undefined) fields.push(['envFactor', facts.envFactor.reveal()]);
  if (facts.application !== undefined) fields.push(...applicationFields(facts.application));
  return encodeFrame(FrameType.facts, fields);
}

function flagsOf({ silent, noConversation, passedBefore }: Facts): number {
  return (
    (silent ? FLAG_SILENT : 0) |
    (noConversation ? FLAG_NO_CONVERSATION : 0) |
    (passedBefore ? FLAG_PASSED_BEFORE : 0)
  );
}

function accountFields(whose: 'account' | 'caller', entry: Account): Field[] {
  return [
    [`${whose}Name`, entry.name],
    [`${whose}Gecos`, entry.gecos],
  ];
}

/** Encodes GROUPS. */
export function groupsToFrame(groups: Groups): Buffer {
  const fields: Field[] =
    'error' in groups ? [['groupsError', groups.error]] : groups.names.map((name) => ['group', name]);
  return encodeFrame(FrameType.groups, fields);
}

function applicationFields(application: Application): Field[] {
  const { ikey, skey, host, authorities, verify, httpProxy, httpsTimeout, auto, sync } = application;
  return [
    ['loginFlags', (sync ? LOGIN_SYNC : 0) | (auto ? LOGIN_AUTO : 0)],
    ['ikey', ikey],
    ['skey', skey.reveal()],
    ['apiHost', host],
    ...(authorities === undefined ? [] : [['authorities', authorities] as const]),
    ...(httpProxy === undefined ? [] : [['httpProxy', httpProxy.reveal()] as const]),
    ['httpsTimeout', httpsTimeout],
    ['tlsVerify', verify ? 1 : 0],
  ];
}
