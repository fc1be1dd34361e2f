/** duo_login of duo(3) for a program that names its application itself: one attempt, and its code. */

import type { DuoApi } from '../duo/api.ts';
import { codeOfError, codeOfResult } from '../duo/codes.ts';
import { DuoError } from '../duo/errors.ts';
import { parseHost } from '../duo/host.ts';
import { authoritiesIn } from '../duo/trust.ts';
import { cleanText } from '../lib/text.ts';
import { lateSentence } from '../policy/outcome.ts';
import { type Application, DuoCode, type Facts, type Login, Outcome, type Verdict } from './messages.ts';
import type { DuoSettings, Product } from './open-duo.ts';
import { type LoginEnd, type LoginPlan, runLogin } from './run-login.ts';

/** What a program's login needs from outside. */
export interface LibduoTools {
  /**
   * Opens the program's application.
   * @param notify receives messages about waits, for the user
   * @param program the program's name for Duo
   * @throws DuoHandleError when a setting cannot be used
   */
  readonly openDuo: (
    settings: DuoSettings,
    notify: (text: string) => void,
    program: Product,
  ) => Promise<DuoApi>;
  /** This machine's own address. */
  readonly localAddress: () => Promise<string | undefined>;
}

/** The longest program name that is sent to Duo. */
const MAX_PRODUCT = 128;

/**
 * Creates the login function for the bridge. There is no failmode and no log: the program gets the code and duo_geterr.
 */
export function libduoLogin(tools: LibduoTools): Login {
  return async (facts, context) => {
    context.noGroups();
    const { application } = facts;
    if (application === undefined) {
      return verdict(DuoCode.libError, 'the program sent no Duo application');
    }
    const place = parseHost(application.host);
    if (place === undefined || place.host === '') {
      return verdict(DuoCode.clientError, `Invalid host: '${cleanText(application.host)}'`);
    }
    let duo: DuoApi;
    try {
      const program = { product: facts.service.replace(/[^ -~]/g, '?').slice(0, MAX_PRODUCT) };
      duo = await tools.openDuo(settingsOf(application, place), context.conversation.status, program);
    } catch (error) {
      if (!(error instanceof DuoError)) throw error;
      return verdict(codeOfError(error.code), error.message);
    }
    try {
      const plan = planOf(facts, application, await tools.localAddress());
      const { prompt, status } = context.conversation;
      const conversation = facts.noConversation ? { status } : { prompt, status };
      return verdictOf(await runLogin(duo, plan, conversation, context.signal));
    } finally {
      duo.close();
    }
  };
}

const UNUSABLE = 'the certificate authorities hold no usable certificates';

/** @throws DuoHandleError when the authorities can't be used */
function settingsOf(
  { ikey, skey, verify, httpProxy, httpsTimeout, authorities }: Application,
  { host, port }: Pick<DuoSettings, 'host' | 'port'>,
): DuoSettings {
  return {
    host,
    port,
    ikey,
    skey,
    cafile: undefined,
    noverify: !verify,
    disableCaPinning: false,
    minTls: 'TLSv1.2',
    httpProxy,
    httpsTimeout,
    ...(authorities === undefined || !verify ? {} : { trust: authoritiesIn(authorities, UNUSABLE) }),
  };
}

function planOf(
  { user, rhost, hostName, command }: Facts,
  { auto, sync }: Application,
  localAddress: string | undefined,
): LoginPlan {
  return {
    username: user,
    // An empty address means an unknown client. This machine's own address would be wrong for it.
    clientIp: rhost ?? localAddress,
    localAddress,
    hostname: hostName,
    command,
    failmode: 'closed',
    verifiedPush: false,
    shows: true,
    attempts: 1,
    attempt: () => ({ flags: { auto, sync } }),
  };
}

function verdictOf(end: LoginEnd): Verdict {
  switch (end.kind) {
    // The end of the login's time must not look like Duo's absence, for which a program may let people in.
    case 'late':
      return verdict(end.asked ? DuoCode.fail : DuoCode.libError, lateSentence(end.stage));
    case 'allowed':
    case 'skipped':
      return verdict(codeOfResult(end), '');
    case 'error':
      return verdict(codeOfResult(end), end.error.message);
    default:
      return verdict(codeOfResult(end), end.message);
  }
}

const OUTCOMES: Readonly<Record<DuoCode, Outcome>> = {
  [DuoCode.ok]: Outcome.pass,
  [DuoCode.fail]: Outcome.maxTries,
  [DuoCode.abort]: Outcome.denied,
  [DuoCode.libError]: Outcome.serviceError,
  [DuoCode.connError]: Outcome.serviceError,
  [DuoCode.clientError]: Outcome.serviceError,
  [DuoCode.serverError]: Outcome.serviceError,
};

function verdict(code: DuoCode, error: string): Verdict {
  return { outcome: OUTCOMES[code], code, error };
}
