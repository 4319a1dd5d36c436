/** Apps for a cluster that speak with each other past sidecars, in groups, and with a database. */

const node = (program: string): string => JSON.stringify(["/usr/bin/node", "-e", program]);
const page = "require('http').createServer((q,a)=>a.end(process.env.ROLE)).listen(8000)";
const tcp = (port: number, says: string): string =>
  `require('net').createServer((s)=>s.end('${says}')).listen(${port})`;
/** Its first act is a call: only a sidecar that is ready answers it, be it with 503. */
const first =
  "fetch('http://web:8000/').then((a)=>console.log('answered',a.status)," +
  "(e)=>console.log('failed',e.cause)).then(()=>setInterval(()=>{},1000))";

const app = (name: string, image: string, command: string, ...lines: readonly string[]): string =>
  `apiVersion: outrigger.dev/v1alpha1
kind: App
metadata: { name: ${name}, namespace: forms }
spec:
  image: ${image}
  container: { command: ${command} }
${lines.map((line) => `  ${line}\n`).join("")}`;

/**
 * @param image with Node.js
 * @param db the address of what stands for a managed database, on port 5432
 * @param open whether `web` may go to the store's port past its sidecar
 */
export function formsFile(image: string, db: string, open: boolean): string {
  return [
    app(
      "web",
      image,
      node(page),
      "port: 8000",
      "health: { ready: / }",
      "env: { ROLE: leader }",
      `dependencies: { db: { host: ${db}, port: 5432, wait: 60s } }`,
      "pods: { worker: { env: { ROLE: worker } } }",
    ),
    app(
      "store",
      image,
      node(tcp(9042, "store")),
      `bypass: [{ port: 9042, from: [${open ? "web" : ""}] }]`,
    ),
    app("old", image, node(first), "sidecar: { native: false }", "calls: { web: {} }"),
    app("other", image, node("setInterval(()=>{},1000)")),
  ].join("---\n");
}

/** A pod outside that answers only some seconds after its start. */
export function slowDatabase(image: string, namespace: string): string {
  const program = `setTimeout(()=>{${tcp(5432, "db")}},5000)`;
  return JSON.stringify({
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name: "db", namespace } },
    spec: {
      containers: [{ name: "db", image, command: JSON.parse(node(program)) }],
      terminationGracePeriodSeconds: 0,
    },
  });
}

/** For `node -e`: what is said there by TCP within three seconds, else `blocked`. */
export function heard(host: string, port: number): string {
  return (
    `const s=require('net').connect(${port},'${host}');` +
    "const end=(t)=>{console.log(t);process.exit(0)};" +
    "s.on('data',(d)=>end(String(d)));s.on('error',()=>end('blocked'));setTimeout(end,3000,'blocked')"
  );
}
