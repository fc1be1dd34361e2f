/** Who the simulated Duo knows: users, their devices, and what happens when they log in. */
import * as v from 'valibot';

const Device = v.strictObject({
  /** What the menu shows, such as `XXX-XXX-1234`. */
  name: v.string(),
  push: v.optional(v.boolean(), true),
  phone: v.optional(v.boolean(), true),
  sms: v.optional(v.boolean(), true),
});

const User = v.strictObject({
  /** What preauth answers; `auth` asks for a factor. */
  status: v.optional(v.picklist(['auth', 'allow', 'deny', 'enroll', 'locked_out']), 'auth'),
  devices: v.optional(v.array(Device), () => [{ name: 'XXX-XXX-1234', push: true, phone: true, sms: true }]),
  /** Valid until used. */
  passcodes: v.optional(v.array(v.pipe(v.string(), v.regex(/^\d{6,10}$/))), () => []),
  /**
   * Pushes have a code that has to be typed into the phone. The status message of the push tells it; with `preauth` it is
   * preauth that does, for clients that show it by themselves.
   */
  verifiedPush: v.optional(v.union([v.boolean(), v.literal('preauth')]), false),
  /** What the phone does by itself; `ask` waits for somebody on the phone page. */
  phone: v.optional(v.picklist(['ask', 'approve', 'deny', 'fraud', 'ignore', 'unreachable']), 'ask'),
});

/** Users by name. */
export const Users = v.record(v.string(), User);
export type Users = v.InferOutput<typeof Users>;
export type UsersInput = v.InferInput<typeof Users>;
export type User = v.InferOutput<typeof User>;
export type Device = v.InferOutput<typeof Device>;

/** A user of whom only this is known. */
export function newUser(known: v.InferInput<typeof User>): User {
  return v.parse(User, known);
}

/** One user for each way in which a login can go. */
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
