/** The menu that preauth sends to clients that do not make their own. */
import type { Device, User } from './users.ts';

/** The text of the prompt, and the factors of its answers. */
export interface Menu {
  readonly text: string;
  readonly factors: Readonly<Record<string, string>>;
}

export interface Offer {
  readonly kind: 'push' | 'phone' | 'sms';
  /** The value that a client sends as `prompt`. */
  readonly value: string;
  readonly text: string;
  readonly device: Device;
}

const LABELS = { push: 'Duo Push to', phone: 'Phone call to', sms: 'SMS passcodes to' } as const;

/**
 * The factors of a user's devices, in the order of Duo's menu. `verified`: pushes have the names of
 * Verified Pushes.
 */
export function offersOf({ devices }: User, verified: boolean): Offer[] {
  return (['push', 'phone', 'sms'] as const).flatMap((kind) =>
    devices
      .filter((device) => device[kind])
      .map((device, index) => ({
        kind,
        value: `${verified && kind === 'push' ? 'verified_push' : kind}${index + 1}`,
        text: `${LABELS[kind]} ${device.name}`,
        device,
      })),
  );
}

export function menuFor(username: string, offers: readonly Offer[]): Menu {
  const first = offers[0];
  const choices = offers.map(({ text }, index) => ` ${index + 1}. ${text}`).join('\n');
  const head = `Duo two-factor login for ${username}\n\n`;
  const text =
    first === undefined
      ? `${head}Passcode: `
      : `${head}Enter a passcode or select one of the following options:\n\n${choices}\n\nPasscode or option (1-${offers.length}): `;
  return {
    text,
    factors: {
      ...(first === undefined ? {} : { default: first.value }),
      ...Object.fromEntries(offers.map(({ value }, index) => [String(index + 1), value])),
    },
  };
}
