/** One-time codes while Duo is unreachable: `duo-ts break-glass` with real libpam. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { PamCode, PamStyle } from '../../src/unix/pam-client.ts';
import { addConfig, ENGINE, pam, run, SystemLog, setUp, startDuo, startResident } from './machine.ts';

const DIRECTORY = '/etc/duo/break-glass';
let log: SystemLog;
let duo: Simulator;

test.before(async () => {
  setUp();
  log = await SystemLog.start();
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  run('rm', '-rf', DIRECTORY);
  duo = await startDuo({ users: { alice: { passcodes: ['123456'] } } }, 'failmode = secure');
});
test.afterEach.always(() => duo.close());

interface Login {
  readonly code: number;
  /** The texts of the prompts. */
  readonly asked: readonly string[];
}

async function login(answers: readonly string[], user = 'alice'): Promise<Login> {
  const asked: string[] = [];
  const { code } = await pam.authenticate(
    { service: 'duo', user, confdir: 'test/hosts/pam.d' },
    async (messages) =>
      messages.map(({ style, text }) => {
        if (style !== PamStyle.promptEchoOn) return '';
        asked.push(text);
        return answers[asked.length - 1] ?? '';
      }),
  );
  return { code, asked };
}

const make = (user: string, count = 2) =>
  run(ENGINE, 'break-glass', 'make', user, '--count', String(count)).trim().split('\n');

const PROMPT = 'Duo is unreachable. Break-glass code: ';

function passes(t: ExecutionContext, { code, asked }: Login): void {
  t.deepEqual([code, asked], [PamCode.PAM_SUCCESS, [PROMPT]]);
}

for (const engine of ['private', 'resident']) {
  test.serial(`${engine}: a code replaces Duo once, while it is unreachable`, async (t) => {
    const resident = engine === 'resident' ? startResident() : undefined;
    t.teardown(() => resident?.process.kill('SIGKILL'));
    const [first = '', second = ''] = make('alice');
    await duo.close();
    passes(t, await login([first.toUpperCase().replaceAll('-', ' ')]));
    const line = await log.line(/Break-glass login for 'alice'/);
    t.regex(line, new RegExp(`Break-glass login for 'alice': code ${first.slice(0, 4)} is used up, 1 left$`));
    t.false(existsSync(join(DIRECTORY, first.slice(0, 4))));
    const again = await login([first]);
    t.is(again.code, PamCode.PAM_SERVICE_ERR, 'a used code');
    t.deepEqual(again.asked, [PROMPT, PROMPT]);
    await log.line(/Wrong break-glass code for 'alice'/);
    await log.line(/Failsecure Duo login for 'alice': Couldn't connect/);
    passes(t, await login([second]));
    t.deepEqual((await login([])).asked, [], 'no codes are left');
    t.false(
      log.lines.some((entry) => entry.includes(first.slice(5, 12)) || entry.includes(second.slice(5, 12))),
    );
  });
}

test.serial(
  'while Duo answers, with failmode = safe, and for another user there is no such question',
  async (t) => {
    const [code = ''] = make('alice');
    t.is((await login([code, code, code])).code, PamCode.PAM_MAXTRIES);
    t.deepEqual((await login(['123456'], 'alice')).code, PamCode.PAM_SUCCESS);
    await duo.close();
    t.deepEqual(await login([code], 'bert'), { code: PamCode.PAM_SERVICE_ERR, asked: [] });
    addConfig('failmode = safe');
    t.deepEqual(await login([code]), { code: PamCode.PAM_SUCCESS, asked: [] });
    await log.line(/Failsafe Duo login for 'alice'/);
    t.is(readdirSync(DIRECTORY).length, 2);
  },
);

test.serial('a code whose file cannot be removed lets nobody in', async (t) => {
  const [code = ''] = make('alice');
  run('mount', '--bind', DIRECTORY, DIRECTORY);
  run('mount', '-o', 'remount,bind,ro', DIRECTORY);
  t.teardown(() => run('umount', '-l', DIRECTORY));
  await duo.close();
  t.is((await login([code])).code, PamCode.PAM_SERVICE_ERR);
  await log.line(
    /Error in Duo login for 'alice': break-glass code \w{4} can't be removed: Read-only file system/,
  );
});

test.serial('files that others can change are no codes', async (t) => {
  const [code = ''] = make('alice', 1);
  run('chmod', '666', join(DIRECTORY, code.slice(0, 4)));
  await duo.close();
  t.deepEqual(await login([code]), { code: PamCode.PAM_SERVICE_ERR, asked: [] });
  run('chmod', '644', join(DIRECTORY, code.slice(0, 4)));
  run('chmod', '777', DIRECTORY);
  t.is((await login([code])).code, PamCode.PAM_SERVICE_ERR);
  await log.line(/directory \/etc\/duo\/break-glass must be owned by root and writable by nobody else/);
});

test.serial('a resident engine stops asking after six wrong codes', async (t) => {
  const resident = startResident();
  t.teardown(() => resident.process.kill('SIGKILL'));
  const [code = ''] = make('alice');
  await duo.close();
  for (let turn = 0; turn < 2; turn += 1) t.is((await login(['x', 'x', 'x'])).asked.length, 3);
  t.deepEqual(await login([code]), { code: PamCode.PAM_SERVICE_ERR, asked: [] });
  await log.line(/Failsecure Duo login for 'alice': .*; too many wrong break-glass codes/);
});

test.serial('duo-ts break-glass: make, list, revoke', (t) => {
  t.regex(run(ENGINE, 'break-glass', 'list'), /no break-glass codes/);
  const codes = make('root', 3);
  t.is(new Set(codes).size, 3);
  for (const code of codes) {
    t.regex(code, /^[a-z2-9]{4}(?:-[a-z2-9]{5}){4}$/);
    const path = join(DIRECTORY, code.slice(0, 4));
    const text = readFileSync(path, 'utf8');
    for (const group of code.split('-').slice(1)) t.false(text.includes(group));
    t.regex(text, /^user = root\nscheme = scrypt\nsalt = [0-9a-f]{32}\nhash = [0-9a-f]{64}$/m);
    t.is(statSync(path).mode & 0o777, 0o644);
  }
  t.regex(run(ENGINE, 'break-glass', 'list'), /^root: 3 left \(\w{4}, \w{4}, \w{4}\)\n$/);
  t.throws(() => run(ENGINE, 'break-glass', 'make', 'nobody-at-all'), {
    message: /there is no account nobody-at-all/,
  });
  t.is(run(ENGINE, 'break-glass', 'revoke', 'root'), 'Removed 3 codes of root.\n');
  t.throws(() => run(ENGINE, 'break-glass', 'revoke', 'root'), { message: /root has no break-glass codes/ });
  mkdirSync(DIRECTORY, { recursive: true });
  t.deepEqual(readdirSync(DIRECTORY), []);
});
