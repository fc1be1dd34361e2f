/** The users of the simulated Duo: devices, and the results of their logins. */
import * as v from 'valibot';

const Device = v.strictObject({
  /** The text in the menu, such as `XXX-XXX-1234`. */
  name: v.string(),
  push: v.optional(v.boolean(), true),
  phone: v.optional(v.boolean(), true),
  sms: v.optional(v.boolean(), true),
});

const User = v.strictObject({
  /** The result of preauth; `auth` requires a factor. */
  status: v.optional(v.picklist(['auth', 'allow', 'deny', 'enroll', 'locked_out']), 'auth'),
  devices: v.optional(v.array(Device), () => [{ name: 'XXX-XXX-1234', push: true, phone: true, sms: true }]),
  /** Valid until used. */
  passcodes: v.optional(v.array(v.pipe(v.string(), v.regex(/^\d{6,10}$/))), () => []),
  /**
   * Pushes are Verified Pushes with a code that the user types into the phone. The status message of the
   * push has it; with `preauth` the reply of preauth has it, for clients that show it themselves.
   */
  verifiedPush: v.optional(v.union([v.boolean(), v.literal('preauth')]), false),
  /** The phone's action; `ask` waits for the phone page. */
  phone: v.optional(v.picklist(['ask', 'approve', 'deny', 'fraud', 'ignore', 'unreachable']), 'ask'),
});

/** Users by name. */
export const Users = v.record(v.string(), User);
export type Users = v.InferOutput<typeof Users>;
export type UsersInput = v.InferInput<typeof Users>;
export type User = v.InferOutput<typeof User>;
export type Device = v.InferOutput<typeof Device>;

/** A user with these properties. */
export function newUser(known: v.InferInput<typeof User>): User {
  return v.parse(User, known);
}

/** One user for each possible result of a login. */
export const EXAMPLE_USERS: UsersInput = {
  alice: { passcodes: ['100001', '100002', '100003'] },
  amy: { phone: 'approve', passcodes: ['200001'] },
  dan: { phone: 'deny' },
  vera: { verifiedPush: true },
  bob: { status: 'allow' },
  carol: { status: 'deny' },
  erin: { status: 'enroll' },
  lock: { status: 'locked_out' },
};
