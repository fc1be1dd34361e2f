/** Types of native/addon/pam_client.cc: a login through libpam, for `duo-ts check --login`, tests and the benchmark. */
/** A message of PAM's conversation. */
export interface PamMessage {
  readonly style: PamStyle;
  readonly text: string;
}

export const PamStyle = { promptEchoOff: 1, promptEchoOn: 2, error: 3, info: 4 } as const;
export type PamStyle = (typeof PamStyle)[keyof typeof PamStyle];

/** The PAM return codes that this project uses. */
export const PamCode = {
  PAM_SUCCESS: 0,
  PAM_SERVICE_ERR: 3,
  PAM_SYSTEM_ERR: 4,
  PAM_AUTH_ERR: 7,
  PAM_USER_UNKNOWN: 10,
  PAM_MAXTRIES: 11,
  PAM_CONV_ERR: 19,
  PAM_IGNORE: 25,
  PAM_ABORT: 26,
} as const;

export interface PamLogin {
  readonly service: string;
  readonly user: string;
  /** Directory of PAM stacks, instead of /etc/pam.d. */
  readonly confdir: string;
  readonly rhost?: string;
  readonly tty?: string;
  /** PAM_SILENT. */
  readonly silent?: boolean;
  /** The PAM application has no conversation function. */
  readonly mute?: boolean;
}

export interface PamResult {
  readonly code: number;
  /** What pam_strerror(3) says of it. */
  readonly message: string;
}

/** Answers the messages: one string each (ignored for information), or null to fail the conversation. */
export type PamConversation = (messages: readonly PamMessage[]) => Promise<readonly string[] | null>;

export interface PamClient {
  /** pam_start_confdir, pam_authenticate and pam_end, on a separate thread. */
  authenticate(login: PamLogin, conversation: PamConversation): Promise<PamResult>;
}
