// A session of Docker's SDK for Node: a build without a session, commit, save and load. Prints what it has seen.
import { Readable } from 'node:stream';
import { DockerClient, Logger } from '@docker/node-sdk';

const seen = [];
const client = await DockerClient.fromDockerConfig();

// A tar of one file each, as the SDK's users make them with a package of their own.
function tar(files) {
    const blocks = [];
    for (const [name, text] of Object.entries(files)) {
        const head = Buffer.alloc(512);
        const put = (at, value) => head.write(value, at, 'latin1');
        put(0, name);
        put(100, '0000644\0');
        put(108, '0000000\0');
        put(116, '0000000\0');
        put(124, `${text.length.toString(8).padStart(11, '0')}\0`);
        put(136, '00000000000\0');
        put(148, '        ');
        put(156, '0');
        put(257, 'ustar\x0000');
        put(148, `${head.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `);
        blocks.push(head, Buffer.from(text), Buffer.alloc((512 - (text.length % 512)) % 512));
    }
    return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

async function output(id) {
    const lines = [];
    const logger = new Logger((line) => line && lines.push(line));
    const errors = new Logger((line) => line && lines.push(`error: ${line}`));
    const attached = client.containerAttach(id, logger, errors, { stream: true, stdout: true, stderr: true });
    await client.containerStart(id);
    await client.containerWait(id);
    await attached;
    return lines.join('\n');
}

const context = tar({ Dockerfile: 'FROM busybox\nCOPY a /a\nCMD cat /a\n', a: 'A\n' });
const image = await client.imageBuild(Readable.toWeb(Readable.from([context])), { tag: 'node-sdk:1' }).wait();
seen.push(image.startsWith('sha256:') ? 'built' : image);
const first = await client.containerCreate({ Image: 'node-sdk:1' });
seen.push(await output(first.Id));

await client.imageCommit(first.Id, { repo: 'node-sdk', tag: '2', changes: 'CMD echo hello' });
await client.containerDelete(first.Id, { force: true });
const pieces = [];
await client.imageGet('node-sdk:2', new WritableStream({ write: (piece) => void pieces.push(piece) }));
await client.imageDelete('node-sdk:2', { force: true });
await client.imageLoad(Readable.toWeb(Readable.from([Buffer.concat(pieces)])));
await client.imageInspect('node-sdk:2');
seen.push('loaded');
const second = await client.containerCreate({ Image: 'node-sdk:2', Labels: { session: 'node-sdk' } });
seen.push(await output(second.Id));

await client.containerDelete(second.Id, { force: true });
await client.imageDelete('node-sdk:1', { force: true });
await client.imageDelete('node-sdk:2', { force: true });
await client.close();
console.log(JSON.stringify(seen)); // the last line: the SDK prints what it attaches to as well
