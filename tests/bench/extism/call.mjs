// The peer: node with the SDK of Extism maps a plugin and calls a function of it once.
//   node call.mjs SDK-MODULE PLUGIN.wasm FUNCTION INPUT
const [sdk, plugin, name, input] = process.argv.slice(2)
const { default: createPlugin } = await import(sdk)
const { readFileSync } = await import('node:fs')
const loaded = await createPlugin({ wasm: [{ data: readFileSync(plugin) }] }, { useWasi: false })
console.log((await loaded.call(name, input)).text())
await loaded.close()
