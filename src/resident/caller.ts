/**
 * Determines the caller of a login from the kernel, and which facts to use. Root sends facts and configuration, as to a
 * private engine. Another user can only authenticate as themselves, if the administrator allows it, with the engine's
 * configuration and without facts that could influence Duo.
 */
import type { Account, ConfigText, Facts } from '../login/messages.ts';
import type { ResidentSettings } from './settings.ts';

export interface CallerOptions {
  readonly settings: ResidentSettings;
  /** The configuration for users who cannot read it; undefined: none. */
  readonly config: ConfigText | undefined;
  readonly hostName: string;
  /** The passwd entry of a uid. */
  readonly accountOf: (uid: number) => Promise<Account | undefined>;
}

export type JudgedFacts =
  | { readonly ok: true; readonly facts: Facts }
  | { readonly ok: false; readonly error: string };

/** The facts for the login, or why there is no login. */
export async function judgeFacts(facts: Facts, uid: number, options: CallerOptions): Promise<JudgedFacts> {
  const { settings, config, hostName } = options;
  if (uid === 0) {
    // The module has the argument conf=none.
    const own = facts.program === 'pam' && facts.config === undefined && config !== undefined;
    return { ok: true, facts: own ? { ...facts, config } : facts };
  }
  const no = (error: string): JudgedFacts => ({ ok: false, error });
  if (facts.program !== 'pam') return no(`${facts.program} of uid ${uid} is not served by a resident engine`);
  if (facts.config !== undefined || facts.application !== undefined) {
    return no(`uid ${uid} brings a configuration, which only root may`);
  }
  if (!settings.unprivileged) return no('only root is served here (see unprivileged in resident.conf)');
  if (!settings.unprivilegedServices.includes(facts.service)) {
    return no(`service '${facts.service}' is not among unprivileged_services of resident.conf`);
  }
  if (config === undefined) return no('the resident engine was given no configuration for users');
  let account: Account | undefined;
  try {
    account = await options.accountOf(uid);
  } catch (error) {
    return no(
      `the passwd entry of uid ${uid} can't be read: ${error instanceof Error ? error.message : error}`,
    );
  }
  if (account === undefined) return no(`there is no passwd entry for uid ${uid}`);
  if (facts.user !== account.name) return no(`${account.name} (uid ${uid}) can authenticate only itself`);
  return {
    ok: true,
    facts: {
      program: 'pam',
      service: facts.service,
      user: account.name,
      silent: facts.silent,
      noConversation: facts.noConversation,
      callerUid: uid,
      account,
      caller: account,
      config,
      hostName,
      deadline: facts.deadline,
    },
  };
}
