/** duo_login of duo(3) for a program that names its application itself: one try, and its code. */
import {
  type Application,
  DeadlineError,
  DuoCode,
  type Facts,
  type Host,
  type Login,
  Outcome,
  type Stage,
  type Verdict,
} from '../bridge/messages.ts';
import type { DuoApi } from '../duo/api.ts';
import { codeOfError, codeOfResult } from '../duo/codes.ts';
import { DuoError } from '../duo/errors.ts';
import { parseHost } from '../duo/host.ts';
import {
  duoLogin,
  type LoginConversation,
  type LoginRequest,
  type LoginResult,
  type Progress,
} from '../duo/login.ts';
import { authoritiesIn } from '../duo/trust.ts';
import { cleanText } from '../lib/text.ts';
import { pushinfoOf } from '../policy/origin.ts';
import { lateSentence } from '../policy/outcome.ts';
import type { DuoSettings, Product } from './open-duo.ts';

/** What a program's login needs of the outside. */
export interface LibduoTools {
  /**
   * Opens the program's application.
   * @param notify is told of waits that the user should know of
   * @param program as it calls itself
   * @throws DuoHandleError when the program named something that can't be used
   */
  readonly openDuo: (
    settings: DuoSettings,
    notify: (text: string) => void,
    program: Product,
  ) => Promise<DuoApi>;
  /** This host's own address. */
  readonly localAddress: () => Promise<string | undefined>;
}

/** The longest name of a program that Duo is told. */
const MAX_PRODUCT = 128;

/** Makes the login that the bridge serves. There is no failmode here, and no log: the program has the code and duo_geterr. */
export function libduoLogin(tools: LibduoTools): Login {
  return async (facts, host) => {
    const { application } = facts;
    if (application === undefined) {
      return verdict(DuoCode.libError, 'config', 'the program named no Duo application');
    }
    const place = parseHost(application.host);
    if (place === undefined || place.host === '') {
      return verdict(DuoCode.clientError, 'config', `Invalid host: '${cleanText(application.host)}'`);
    }
    let duo: DuoApi;
    try {
      const program = { product: facts.service.replace(/[^ -~]/g, '?').slice(0, MAX_PRODUCT) };
      duo = await tools.openDuo(settingsOf(application, place), host.conversation.status, program);
    } catch (error) {
      if (!(error instanceof DuoError)) throw error;
      return verdict(codeOfError(error.code), 'config', error.message);
    }
    try {
      return await oneTry(duo, await requestOf(facts, application, tools), host, facts);
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

async function requestOf(
  facts: Facts,
  { auto, sync }: Application,
  tools: LibduoTools,
): Promise<LoginRequest> {
  const localAddress = await tools.localAddress();
  const { user, rhost, hostName } = facts;
  // An empty address is a client that the program can't name: this host's own would be somebody else's.
  const ipaddr = rhost ?? localAddress ?? '';
  return {
    username: user,
    ...(ipaddr === '' ? {} : { ipaddr }),
    hostname: hostName,
    pushinfo: pushinfoOf(facts, { pushinfo: true }, localAddress),
    failmode: 'closed',
    verifiedPush: false,
    flags: { auto, sync },
  };
}

async function oneTry(
  duo: DuoApi,
  request: LoginRequest,
  { conversation, signal }: Host,
  { noConversation: mute }: Facts,
): Promise<Verdict> {
  let asked = false;
  const progress: Progress = { stage: 'ping' };
  const noting =
    <T>(say: (text: string) => T) =>
    (text: string) => {
      asked = true;
      return say(text);
    };
  const watched: LoginConversation = {
    status: noting(conversation.status),
    ...(mute ? {} : { prompt: noting(conversation.prompt) }),
  };
  try {
    const result = await duoLogin(duo, request, watched, signal, progress);
    return verdict(codeOfResult(result), result.stage, messageOf(result));
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
    // A lack of time must not look like Duo's absence, which a program may take for a reason to let people in.
    return verdict(asked ? DuoCode.fail : DuoCode.libError, 'engine', lateSentence(progress.stage));
  }
}

function messageOf(result: LoginResult): string {
  switch (result.kind) {
    case 'allowed':
    case 'skipped':
      return '';
    case 'error':
      return result.error.message;
    case 'failed':
    case 'denied':
    case 'unanswered':
      return result.message;
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

function verdict(code: DuoCode, stage: Stage, error: string): Verdict {
  return { outcome: OUTCOMES[code], code, stage, error };
}
