/**
 * The Auth API v2 as this project uses it: what goes in, what comes out. The client in client.ts implements it over
 * TLS, tests implement it with a story.
 */

/** One entry of `prompt.factors`: what the user may type, and what is sent for it. */
export interface Factor {
  readonly key: string;
  readonly value: string;
}

export interface PreauthRequest {
  readonly username: string;
  /** The client's address as the host knows it (IPv4, IPv6 or a name); absent when unknown. */
  readonly ipaddr?: string;
  readonly hostname?: string;
  /** Tells Duo what this system does when Duo can't be reached. */
  readonly failmode: 'open' | 'closed';
  readonly verifiedPush: boolean;
}

/** The transaction of a Verified Push: the user types the code that this host shows into the phone. */
export interface VerifiedPush {
  readonly txid: string;
  /** Where preauth tells it. Otherwise it stands in a status message while the phone waits. */
  readonly code?: string;
}

/** Duo's answer to preauth, in the four shapes that it has. Texts are cleaned of control characters. */
export type Preauth =
  | { readonly result: 'allow'; readonly message: string }
  | { readonly result: 'deny'; readonly message: string }
  | {
      readonly result: 'enroll';
      readonly message: string;
      readonly portalUrl?: string;
      /** The text to show, where Duo sends a whole one. */
      readonly promptText?: string;
    }
  | {
      readonly result: 'auth';
      readonly message: string;
      /** Duo's menu, ready to be shown. */
      readonly promptText: string;
      /** The factor that Duo would pick by itself, such as `push1`; absent when there is none. */
      readonly defaultFactor?: string;
      /** Menu keys with the factors that they stand for. */
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
  /** The transaction that preauth opened for a verified push. */
  readonly txid?: string;
}

/** How an authentication ended. Decided by `result`, never by `status`. */
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
 * One Duo application. Every call rejects with a DuoError, or with the signal's reason when it is aborted.
 * `notify` is told of waits that the user should know of (rate limiting), in Duo's words.
 */
export interface DuoApi {
  /** Reads the service's clock and keeps the offset for signatures, where it has to be known beforehand. */
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
