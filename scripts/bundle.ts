/** Bundles duo-ts: what starts it, and each of its parts; of axios only what a login uses. */
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { PARTS } from '../src/cli/parts.ts';

/**
 * axios without what a login has no use for: its adapters (ours stands in src/duo/adapter.ts) and multipart forms. Node's
 * fetch, FormData and Request are never touched: reading one of them loads all of undici.
 */
export function leanAxios(): Plugin {
  const empty = 'export default null;';
  const replacements: Readonly<Record<string, string>> = {
    'adapters/adapters.js': 'export default { adapters: {}, getAdapter: (adapter) => adapter };',
    'helpers/toFormData.js': 'export default () => { throw new TypeError("no multipart forms here"); };',
    'helpers/formDataToJSON.js': empty,
    'platform/node/classes/FormData.js': empty,
    'core/createMultipartBody.js': empty,
  };
  return {
    name: 'lean-axios',
    setup({ onLoad }) {
      onLoad({ filter: /node_modules\/axios\/lib\/.*\.js$/ }, ({ path }) => {
        const found = Object.keys(replacements).find((name) => path.endsWith(`/axios/lib/${name}`));
        return found === undefined ? undefined : { contents: replacements[found] ?? empty, loader: 'js' };
      });
    },
  };
}

const COMMON: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node26',
  format: 'cjs',
  legalComments: 'none',
  logLevel: 'warning',
  plugins: [leanAxios()],
};

/** Writes `main.cjs` and a file for each part into a directory. */
export async function bundle(directory: string): Promise<void> {
  await build({
    ...COMMON,
    entryPoints: PARTS.map((name) => `src/cli/${name}.ts`),
    outdir: directory,
    outExtension: { '.js': '.cjs' },
  });
  await build({
    ...COMMON,
    entryPoints: ['src/cli/main.ts'],
    outfile: `${directory}/main.cjs`,
    external: PARTS.map((name) => `./${name}.ts`),
  });
}
