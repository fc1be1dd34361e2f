/** FACTS of PROTOCOL.md: from a frame to what the login works with, and back for the tests. */
import { encodeFrame, type Field, type Frame, FrameError, FrameType } from './frame.ts';
import type { Account, Facts } from './messages.ts';

const FLAG_SILENT = 1;
const FLAG_NO_CONVERSATION = 2;
const MAX_CONFIG = 65_536;

const PROGRAMS: readonly Facts['program'][] = ['pam', 'login_duo', 'libduo'];

/**
 * Reads FACTS.
 * @throws FrameError when a fact is missing or can't be
 */
export function factsFromFrame(frame: Frame): Facts {
  if (frame.type !== FrameType.facts) throw new FrameError(`frame type ${frame.type} where FACTS belong`);
  const program = PROGRAMS.find((name) => name === frame.text('program'));
  if (program === undefined) throw new FrameError('field program names no program');
  const configText = frame.text('configText');
  if (configText.length > MAX_CONFIG) throw new FrameError('field configText is too long');
  const flags = frame.number('flags');
  const callerUid = frame.number('callerUid');
  return {
    program,
    service: frame.text('service'),
    user: frame.text('user'),
    ...optional('rhost', frame.optionalText('rhost')),
    ...optional('tty', frame.optionalText('tty')),
    silent: (flags & FLAG_SILENT) !== 0,
    noConversation: (flags & FLAG_NO_CONVERSATION) !== 0,
    callerUid,
    ...optional('account', account(frame, 'account', frame.optionalNumber('accountUid'))),
    ...optional('caller', account(frame, 'caller', callerUid)),
    ...optional('command', frame.optionalText('command')),
    configPath: frame.text('configPath'),
    configText,
    hostName: frame.text('hostName'),
    deadline: frame.number('deadline'),
  };
}

function account(frame: Frame, whose: 'account' | 'caller', uid: number | undefined): Account | undefined {
  const name = frame.optionalText(`${whose}Name`);
  if (name === undefined) return undefined;
  if (uid === undefined) throw new FrameError(`field ${whose}Uid is missing`);
  return {
    name,
    uid,
    gecos: frame.optionalText(`${whose}Gecos`) ?? '',
    groups: frame.texts(`${whose}Group`),
    ...optional('groupsError', frame.optionalText(`${whose}GroupsError`)),
  };
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V });
}

/** Makes the FACTS frame that a host would send. */
export function factsToFrame(facts: Facts): Buffer {
  const fields: Field[] = [
    ['program', facts.program],
    ['service', facts.service],
    ['user', facts.user],
  ];
  if (facts.rhost !== undefined) fields.push(['rhost', facts.rhost]);
  if (facts.tty !== undefined) fields.push(['tty', facts.tty]);
  fields.push(
    ['flags', (facts.silent ? FLAG_SILENT : 0) | (facts.noConversation ? FLAG_NO_CONVERSATION : 0)],
    ['callerUid', facts.callerUid],
  );
  if (facts.account !== undefined) {
    fields.push(['accountUid', facts.account.uid], ...accountFields('account', facts.account));
  }
  if (facts.caller !== undefined) fields.push(...accountFields('caller', facts.caller));
  if (facts.command !== undefined) fields.push(['command', facts.command]);
  fields.push(
    ['configPath', facts.configPath],
    ['configText', facts.configText],
    ['hostName', facts.hostName],
    ['deadline', facts.deadline],
  );
  return encodeFrame(FrameType.facts, fields);
}

function accountFields(whose: 'account' | 'caller', entry: Account): Field[] {
  const fields: Field[] = [
    [`${whose}Name`, entry.name],
    [`${whose}Gecos`, entry.gecos],
  ];
  for (const group of entry.groups) fields.push([`${whose}Group`, group]);
  if (entry.groupsError !== undefined) fields.push([`${whose}GroupsError`, entry.groupsError]);
  return fields;
}
