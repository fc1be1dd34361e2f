/**
 * A PAM application in its own process, for tests that kill it, read its output or run it as a user: one
 * login with a push.
 * `one-login.ts [SERVICE [CONFDIR [USER]]]`
 */
import { loadPamClient } from '../../src/unix/built-pam-client.ts';
import { PamStyle } from '../../src/unix/pam-client.ts';

const [service = 'duo', confdir = 'test/hosts/pam.d', user = 'alice'] = process.argv.slice(2);
const { code } = await loadPamClient().authenticate({ service, user, confdir }, async (messages) =>
  messages.map(({ style }) => (style === PamStyle.promptEchoOn ? '1' : '')),
);
process.exit(code);
