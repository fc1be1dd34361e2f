/** Bundles duo-ts: what starts it, and each of its parts; of axios only what a login uses. */
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { PARTS } from '../src/cli/parts.ts';

/**
 * What axios imports for redirects, proxies, forms, compression, HTTP/2 and fetch, none of which a login uses. They would
 * be more than half of the engine's bundle. form-data brings a table of all media types, http2, zlib and fetch.js load
 * parts of Node, and each of the six makes a start slower.
 */
const UNUSED = /^(?:follow-redirects|https-proxy-agent|form-data|zlib|http2|\.\/fetch\.js)$/;

/** axios without those imports: they are empty, but for the constants that it reads while it loads. */
export function leanAxios(): Plugin {
  return {
    name: 'lean-axios',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: UNUSED }, ({ path, importer }) =>
        importer.includes('/node_modules/axios/') ? { path, namespace: 'unused' } : undefined,
      );
      onLoad({ filter: /./, namespace: 'unused' }, () => ({ contents: 'exports.constants = {};' }));
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

/**
 * Writes `main.cjs` and a file for each part into a directory.
 * @returns the packages that are bundled, as paths of their directories
 */
export async function bundle(directory: string): Promise<string[]> {
  const builds = [
    await build({
      ...COMMON,
      metafile: true,
      entryPoints: PARTS.map((name) => `src/cli/${name}.ts`),
      outdir: directory,
      outExtension: { '.js': '.cjs' },
    }),
    await build({
      ...COMMON,
      metafile: true,
      entryPoints: ['src/cli/main.ts'],
      outfile: `${directory}/main.cjs`,
      external: PARTS.map((name) => `./${name}.ts`),
    }),
  ];
  const inputs = builds.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  return [...new Set(inputs.flatMap((path) => PACKAGE.exec(path)?.[0] ?? []))].sort();
}

/** The directory of the innermost package that a file belongs to. */
const PACKAGE = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/;
