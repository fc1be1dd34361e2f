/** The factor that a call of `auth` requests. */
import { type Form, invalid, required } from './failure.ts';
import { deviceId } from './ids.ts';
import { offersOf } from './menu.ts';
import type { Device, User } from './users.ts';

export type FactorKind = 'push' | 'phone' | 'sms' | 'passcode';

export type Factor =
  | { readonly kind: 'passcode'; readonly passcode: string }
  | {
      readonly kind: 'push' | 'phone' | 'sms';
      readonly device: Device;
      /** Requested by the name of a Verified Push. */
      readonly verified: boolean;
    };

/**
 * `factor=prompt` with `prompt`, or `factor=push|phone|sms|passcode|auto` with `device` or `passcode`.
 * @throws ApiFailure when that is not one of the user's factors
 */
export function chosenFactor(form: Form, username: string, user: User): Factor {
  const factor = required(form, 'factor');
  switch (factor) {
    case 'prompt':
      return fromMenu(required(form, 'prompt'), user);
    case 'passcode':
      return { kind: 'passcode', passcode: required(form, 'passcode') };
    case 'push':
    case 'phone':
    case 'sms':
      return fromDevices([factor], required(form, 'device'), username, user);
    case 'auto':
      // Duo chooses among the factors that need no further input.
      return fromDevices(['push', 'phone'], required(form, 'device'), username, user);
    default:
      throw invalid('factor');
  }
}

const NAME = /^(?:verified_push|push|phone|sms)(?:[1-9])?$/;

/** A name from the menu, or a passcode. */
function fromMenu(prompt: string, user: User): Factor {
  const plain = offersOf(user, false);
  const offers = user.verifiedPush === true ? [...plain, ...offersOf(user, true)] : plain;
  if (prompt !== 'auto' && !NAME.test(prompt)) return { kind: 'passcode', passcode: prompt };
  const name = /[1-9]$/.test(prompt) ? prompt : `${prompt}1`;
  const offer = prompt === 'auto' ? plain[0] : offers.find(({ value }) => value === name);
  if (offer === undefined) throw invalid('prompt');
  return { kind: offer.kind, device: offer.device, verified: offer.value.startsWith('verified_') };
}

/** The first of these kinds that the device supports; `auto` is the first device that supports one. */
function fromDevices(
  kinds: readonly ('push' | 'phone' | 'sms')[],
  wanted: string,
  username: string,
  { devices }: User,
): Factor {
  const eligible = devices.filter((_, index) => wanted === 'auto' || wanted === deviceId(username, index));
  for (const kind of kinds) {
    const device = eligible.find((each) => each[kind]);
    if (device !== undefined) return { kind, device, verified: false };
  }
  throw invalid('device');
}
