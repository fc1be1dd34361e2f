/** A host that another test ends: one login of alice's, with a push. */
import { loadUnix, PamStyle } from '../../src/unix/unix.ts';

const { code } = await loadUnix().authenticate(
  { service: 'duo', user: 'alice', confdir: 'test/hosts/pam.d' },
  async (messages) => messages.map(({ style }) => (style === PamStyle.promptEchoOn ? '1' : '')),
);
process.exit(code);
