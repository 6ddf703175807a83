/** Functions that run inside a page, with the client that the gateway serves. They import nothing, since they are sent there as text. */

/** Numbers of one measurement, in milliseconds. */
export interface Times {
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
  readonly count: number;
}

/** Ask for digits at a fixed pace, whatever the answers do; times run from when a request was due. */
export async function askSteadily({ perSecond, seconds }: { perSecond: number; seconds: number }): Promise<Times> {
  const { connect } = (await import("/tidegate.js" as string)) as typeof import("../../client_js/src/index.js");
  const gw = await connect();
  const image = new Float32Array(64).fill(7);
  const took: number[] = [];
  const asking: Promise<void>[] = [];
  const ask = async (due: number): Promise<void> => {
    await gw.infer("digits", { image });
    took.push(performance.now() - due);
  };
  for (let i = 0; i < 20; i++) await gw.infer("digits", { image }); // everything is compiled
  const start = performance.now();
  for (let next = 0; next < perSecond * seconds; await new Promise((resolve) => setTimeout(resolve))) {
    for (; next < perSecond * seconds && start + (next * 1000) / perSecond <= performance.now(); next++) {
      asking.push(ask(start + (next * 1000) / perSecond));
    }
  }
  await Promise.all(asking);
  await gw.close();
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.min(took.length - 1, Math.floor(share * took.length))]!;
  return { p50: at(0.5), p99: at(0.99), most: at(1), count: took.length };
}

/** Send a large tensor to a model that gives it back, one at a time. Raises if what comes back is not what was sent. */
export async function echoLarge({ bytes, times }: { bytes: number; times: number }): Promise<Times> {
  const { connect, tensor } = (await import("/tidegate.js" as string)) as typeof import("../../client_js/src/index.js");
  const gw = await connect();
  const x = Float32Array.from({ length: bytes / 4 }, (_, i) => i % 1021);
  const took: number[] = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    const { data } = (await gw.infer("echo", { x: tensor(x, [1, x.length]) })).outputs.y as { data: Float32Array };
    took.push(performance.now() - start);
    if (data.length !== x.length || data.some((value, at) => value !== x[at])) throw new Error("not what was sent");
  }
  await gw.close();
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.min(took.length - 1, Math.floor(share * took.length))]!;
  return { p50: at(0.5), p99: at(0.99), most: at(1), count: took.length };
}
/** Keep a gateway busy for a while with what its models are for: digits in waves, texts, and voices in real time. */
export async function beBusy(seconds: number): Promise<void> {
  const { connect } = (await import("/tidegate.js" as string)) as typeof import("../../client_js/src/index.js");
  const gw = await connect();
  const end = performance.now() + seconds * 1000;
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const digits = async (): Promise<void> => {
    for (; performance.now() < end; await pause(20)) {
      const count = Math.round(6 + 5 * Math.sin(performance.now() / 3000) + 4 * Math.random());
      await Promise.all(Array.from({ length: count }, () => gw.infer("digits", { image: new Float32Array(64).fill(5) })));
    }
  };
  const text = async (seed: number): Promise<void> => {
    for (; performance.now() < end; await pause(1500 * Math.random())) {
      for await (const _ of gw.generate("chars", { prompt: [20, 41], temperature: 0.9, seed })) await pause(15);
    }
  };
  const voice = async (): Promise<void> => {
    const stream = await gw.stream("silero_vad", { sr: 16000 });
    for (; performance.now() < end; await pause(32)) await stream.step(new Float32Array(512));
    await stream.close();
  };
  await Promise.all([digits(), text(1), text(2), text(3), voice(), voice(), voice(), voice()]);
  await gw.close();
}
