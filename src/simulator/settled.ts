/** Results for users who need no factor, by their status. */
import type { State } from './transactions.ts';
import type { User } from './users.ts';

export const SETTLED: Readonly<Record<Exclude<User['status'], 'auth'>, State>> = {
  allow: { result: 'allow', status: 'bypass', status_msg: 'Skipped two-factor authentication.' },
  deny: {
    result: 'deny',
    status: 'deny',
    status_msg: 'Your account is disabled and cannot access this application.',
  },
  enroll: { result: 'deny', status: 'deny', status_msg: 'Enroll an authentication device to proceed' },
  locked_out: {
    result: 'deny',
    status: 'locked_out',
    status_msg: 'Your account has been locked out. Please contact your administrator.',
  },
};
