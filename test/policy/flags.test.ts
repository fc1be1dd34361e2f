import test from 'ava';
import type { Facts } from '../../src/login/messages.ts';
import { flagsOf, isMute } from '../../src/policy/flags.ts';
import { parsed } from '../lib/config.ts';
import { factsOf } from '../lib/facts.ts';

const table: readonly [string, Partial<Facts>, string, { auto: boolean; sync: boolean; mute: boolean }][] = [
  ['a terminal', { service: 'login' }, '', { auto: false, sync: false, mute: false }],
  ['sshd', { service: 'sshd' }, '', { auto: false, sync: true, mute: false }],
  ['autopush', { service: 'login' }, 'autopush = yes', { auto: true, sync: false, mute: false }],
  ['autopush in sshd', { service: 'sshd' }, 'autopush = yes', { auto: true, sync: true, mute: false }],
  ['Cockpit', { service: 'cockpit' }, '', { auto: false, sync: true, mute: false }],
  [
    'an application of hold_back',
    { service: 'web' },
    'hold_back = web',
    { auto: false, sync: true, mute: false },
  ],
  ['sshd taken out', { service: 'sshd' }, 'hold_back = !sshd', { auto: false, sync: false, mute: false }],
  [
    'the last word on an application counts',
    { service: 'web' },
    'hold_back = web, !web x\nhold_back = web',
    { auto: false, sync: true, mute: false },
  ],
  ['a silent host', { service: 'login', silent: true }, '', { auto: true, sync: true, mute: true }],
  ['no conversation', { service: 'sshd', noConversation: true }, '', { auto: true, sync: true, mute: true }],
  ['sudo, always silent', { service: 'sudo', silent: true }, '', { auto: false, sync: false, mute: false }],
  ['sudo -i', { service: 'sudo-i', silent: true }, '', { auto: false, sync: false, mute: false }],
  [
    'sudo without a conversation',
    { service: 'sudo', noConversation: true },
    '',
    { auto: true, sync: true, mute: true },
  ],
];
for (const [name, facts, config, { mute, ...flags }] of table) {
  test(name, (t) => {
    t.like(flagsOf(factsOf(facts), parsed(config)), flags);
    t.is(isMute(factsOf(facts)), mute);
  });
}
