/**
 * The types of the Auth API v2, as far as this project uses it. client.ts implements it over TLS, tests with a fake.
 */

/** One entry of `prompt.factors`: what the user can type, and the factor that is sent for it. */
export interface Factor {
  readonly key: string;
  readonly value: string;
}

export interface PreauthRequest {
  readonly username: string;
  /** The client's address as PAM gives it (IPv4, IPv6 or a name); absent when unknown. */
  readonly ipaddr?: string;
  readonly hostname?: string;
  /** Tells Duo what this system does when Duo is unreachable. */
  readonly failmode: 'open' | 'closed';
  readonly verifiedPush: boolean;
}

/** The transaction of a Verified Push: the user types the code from this machine's screen into the phone. */
export interface VerifiedPush {
  readonly txid: string;
  /** The code from preauth. Otherwise a status message has it while the phone waits. */
  readonly code?: string;
}

/** Duo's four kinds of answer to preauth. Texts have no control characters. */
export type Preauth =
  | { readonly result: 'allow'; readonly message: string }
  | { readonly result: 'deny'; readonly message: string }
  | {
      readonly result: 'enroll';
      readonly message: string;
      readonly portalUrl?: string;
      /** The complete text to show, if Duo sends one. */
      readonly promptText?: string;
    }
  | {
      readonly result: 'auth';
      readonly message: string;
      /** Duo's menu. */
      readonly promptText: string;
      /** The factor that Duo selects by default, such as `push1`. */
      readonly defaultFactor?: string;
      /** The menu's keys with their factors. */
      readonly factors: readonly Factor[];
      readonly verifiedPush?: VerifiedPush;
    };

export interface AuthRequest {
  readonly username: string;
  /** A factor such as `push1`, `phone1`, `sms1`, or a passcode. */
  readonly factor: string;
  readonly ipaddr?: string;
  readonly hostname?: string;
  /** URL-encoded pairs for the phone, such as `Server%20IP=…&Command=…`. */
  readonly pushinfo?: string;
  /** The transaction of a verified push, from preauth. */
  readonly txid?: string;
}

/** The end of an authentication. `result` decides, never `status`. */
export interface AuthResult {
  readonly result: 'allow' | 'deny';
  readonly status: string;
  /** Duo's sentence for the user. */
  readonly message: string;
}

export type AuthStatus =
  | AuthResult
  | { readonly result: 'waiting'; readonly status: string; readonly message: string };

/**
 * One Duo application. Every call rejects with a DuoError, or with the signal's reason. `notify` receives messages
 * about waits (rate limiting), in Duo's words.
 */
export interface DuoApi {
  /** Reads the service's clock, unless the offset is already known, and keeps the offset for signatures. */
  ping(signal: AbortSignal): Promise<void>;
  preauth(request: PreauthRequest, signal: AbortSignal): Promise<Preauth>;
  /** One synchronous authentication: resolves when the user has decided. */
  auth(request: AuthRequest, signal: AbortSignal): Promise<AuthResult>;
  /** Starts an asynchronous authentication and resolves to its txid. */
  authAsync(request: AuthRequest, signal: AbortSignal): Promise<string>;
  /** Long-polls one transaction. */
  authStatus(txid: string, signal: AbortSignal): Promise<AuthStatus>;
  /** Drops the connections. */
  close(): void;
}
