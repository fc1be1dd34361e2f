/** Bundles duo-ts into one file: everything that it runs, and of axios only what a login uses. */
import { build, type Plugin } from 'esbuild';

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

/** Writes the bundle to `outfile` and returns the files that went into it. */
export async function bundle(outfile: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: ['src/cli/main.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'cjs',
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    plugins: [leanAxios()],
  });
  return Object.keys(metafile.inputs);
}
