/** A host of its own, for a test that ends it or reads what it prints: one login of alice's, with a push. */
import { loadUnix, PamStyle } from '../../src/unix/unix.ts';

const [service = 'duo', confdir = 'test/hosts/pam.d'] = process.argv.slice(2);
const { code } = await loadUnix().authenticate({ service, user: 'alice', confdir }, async (messages) =>
  messages.map(({ style }) => (style === PamStyle.promptEchoOn ? '1' : '')),
);
process.exit(code);
