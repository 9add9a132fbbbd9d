// An artificial run of a pipeline in the format of analysis/web/src/data.d.ts: GPipe over stages of
// one device, but for the first, which a group of two shares.
import { makeRun } from './fixture.mjs';

const causes = ['activation', 'gradient', 'link', 'all_reduce', 'done', 'other'];
const kinds = { F: 'forward', B: 'backward', 'all-reduce': 'all_reduce', take: 'take', step: 'step' };

// A round after the other, each from scratch.
export function makePipelineRun({
  label = 'runs/gpipe',
  stages = 4,
  microbatches = 6,
  rounds = 2,
} = {}) {
  const devices = stages + 1;
  const run = makeRun({ label, schedule: 'gpipe', nodes: devices + 1, activities: 0, learns: false, real: 0 });
  const all = []; // {node, peer, label, begin, end, ready, because}
  const bubbles = [];
  const path = [];
  const memory = [];
  const roundTable = { task: [], iteration: [], begin_s: [], end_s: [] };
  const link = 0.35;
  const nodesOf = (stage) => (stage === 0 ? [1, 2] : [stage + 2]);
  const add = (what) => {
    all.push(what);
    return what;
  };
  const latest = (list) => list.reduce((a, b) => (b.end > a.end ? b : a));

  let begin = 0;
  for (let round = 0; round < rounds; round += 1) {
    const origin = { end: begin };
    const last = new Map(); // by node: its last compute
    const sending = new Map(); // by node: its last sending
    const arrived = new Map(); // by "F3 4" (what, node): the transfers
    const own = [];
    const before = (node) => last.get(node) ?? origin;
    const compute = (node, label, took, needs, waitsFor) => {
      const because = latest([before(node), ...needs]);
      const start = because.end;
      const gap = before(node).end;
      if (start > gap && needs.length) {
        const there = latest(needs);
        const sent = Math.max(gap, there.ready);
        if (sent > gap) bubbles.push([round, node, gap, sent, waitsFor]);
        if (start > sent) bubbles.push([round, node, sent, start, waitsFor === 3 ? 3 : 2]);
      }
      const made = add({ node, peer: -1, label, ready: start, begin: start, end: start + took, because });
      last.set(node, made);
      own.push(made);
      return made;
    };
    const send = (from, to, label, made, took) => {
      const free = sending.get(from);
      const start = Math.max(made.end, free?.end ?? 0);
      const moved = add({ node: from, peer: to, label, ready: made.end, begin: start, end: start + took, because: start > made.end ? free : made });
      sending.set(from, moved);
      own.push(moved);
      return moved;
    };
    const pass = (stage, letter, m, from, to) => {
      const slow = 1 + 0.15 * stage;
      for (const node of nodesOf(stage)) {
        const needs = arrived.get(`${letter}${m} ${node}`) ?? [];
        const made = compute(node, `${letter}${m}@${stage}`, (letter === 'F' ? 0.8 : 1.6) * slow, needs, letter === 'F' ? 0 : 1);
        if (to < 0 || to >= stages) continue;
        for (const peer of nodesOf(to)) {
          const moved = send(node, peer, `${letter}${m}@${stage}>${to}`, made, link);
          const key = `${letter}${m} ${peer}`;
          arrived.set(key, [...(arrived.get(key) ?? []), moved]);
        }
      }
    };
    for (let m = 0; m < microbatches; m += 1)
      for (let stage = 0; stage < stages; stage += 1) pass(stage, 'F', m, stage - 1, stage + 1);
    for (let m = 0; m < microbatches; m += 1)
      for (let stage = stages - 1; stage >= 0; stage -= 1) pass(stage, 'B', m, stage + 1, stage - 1);
    for (let stage = 1; stage < stages; stage += 1)
      compute(stage + 2, `step@${stage}`, 0.3, []);
    const takes = [1, 2].map((node) => compute(node, 'take@0', 0.05, []));
    const sums = [send(1, 2, 'all-reduce@0', takes[0], 0.9), send(2, 1, 'all-reduce@0', takes[1], 0.9)];
    compute(1, 'step@0', 0.3, [sums[1]], 3);
    compute(2, 'step@0', 0.3, [sums[0]], 3);
    const end = Math.max(...own.map((a) => a.end));
    for (let node = 1; node <= devices; node += 1)
      if (last.get(node).end < end) bubbles.push([round, node, last.get(node).end, end, 4]);
    for (let a = latest(own); a !== origin; a = a.because) {
      path.push({ round, ...a, waits: 0 });
      if (a.begin > a.because.end) throw new Error('a hole in the path');
    }
    roundTable.task.push(0);
    roundTable.iteration.push(round);
    roundTable.begin_s.push(begin);
    roundTable.end_s.push(end);
    for (let stage = 0; stage < stages; stage += 1)
      for (const node of nodesOf(stage)) {
        const changes = own
          .filter((a) => a.node === node && a.peer < 0 && /^[FB]\d/.test(a.label))
          .map((a) => (a.label[0] === 'F' ? [a.begin, 1] : [a.end, -1]))
          .sort((x, y) => x[0] - y[0]);
        let stashes = 0;
        for (const [time, change] of changes) {
          stashes += change;
          memory.push([node, time, (1.2 + 0.25 * stashes) * 2 ** 30]);
        }
      }
    begin = end;
  }
  run.virtual_time_s = begin;

  const labels = [...new Set(all.map((a) => a.label))];
  const parsed = labels.map((text) => {
    const [, word, m, stage, to] = /^(F|B|take|all-reduce|step)(\d*)@(\d+)(?:>(\d+))?$/.exec(text);
    return { kind: kinds[word], microbatch: m === '' ? -1 : Number(m), stage: Number(stage), to_stage: to === undefined ? -1 : Number(to) };
  });
  const pick = (rows, keys) => Object.fromEntries(keys.map((key) => [key, rows.map((row) => row[key])]));
  const slices = all
    .flatMap((a) => {
      const slice = { label: labels.indexOf(a.label), begin_s: a.begin, end_s: a.end, task: 0, real: 0, cause: 0 };
      if (a.peer < 0) return [{ node: a.node, lane: 0, ...slice }];
      return [
        { node: a.node, lane: 1, ...slice },
        { node: a.peer, lane: 2, ...slice },
      ];
    })
    .sort((a, b) => a.node - b.node || a.begin_s - b.begin_s);
  const nothing = { node: [], begin_s: [], end_s: [], cause: [] };
  run.timeline = {
    labels,
    kinds: labels.map((text) => (/>|all-reduce/.test(text) ? 'transfer' : 'compute')),
    causes: [''],
    activities: pick(slices, ['node', 'lane', 'label', 'begin_s', 'end_s', 'task', 'real', 'cause']),
    waits: nothing,
    away: { node: [], begin_s: [], end_s: [] },
    merged_below_s: 0,
  };

  const rows = [];
  for (let node = 1; node <= devices; node += 1) {
    const row = { node, stage: node < 3 ? 0 : node - 2, rounds, rounds_s: begin, computing_s: 0 };
    for (const cause of causes) row[`${cause}_s`] = 0;
    for (const a of all) if (a.node === node && a.peer < 0) row.computing_s += a.end - a.begin;
    for (const [, where, from, to, cause] of bubbles)
      if (where === node) row[`${causes[cause]}_s`] += to - from;
    rows.push(row);
  }
  path.sort((a, b) => a.begin - b.begin);
  const sums = new Map();
  for (const piece of path) {
    const { kind, stage, to_stage } = parsed[labels.indexOf(piece.label)];
    const key = `${kind} ${stage} ${to_stage}`;
    if (!sums.has(key)) sums.set(key, { kind, stage, to_stage, s: 0 });
    sums.get(key).s += piece.end - piece.begin;
  }
  bubbles.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  memory.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  run.pipeline = {
    labels: pick(parsed, ['kind', 'microbatch', 'stage', 'to_stage']),
    rounds: roundTable,
    devices: pick(rows, Object.keys(rows[0])),
    causes,
    bubbles: {
      round: bubbles.map((b) => b[0]),
      node: bubbles.map((b) => b[1]),
      begin_s: bubbles.map((b) => b[2]),
      end_s: bubbles.map((b) => b[3]),
      cause: bubbles.map((b) => b[4]),
    },
    bubbles_from_s: 0,
    path: {
      round: path.map((p) => p.round),
      label: path.map((p) => labels.indexOf(p.label)),
      node: path.map((p) => p.node),
      peer: path.map((p) => p.peer),
      waits: path.map((p) => p.waits),
      begin_s: path.map((p) => p.begin),
      end_s: path.map((p) => p.end),
    },
    path_from_s: 0,
    path_sums: pick([...sums.values()], ['kind', 'stage', 'to_stage', 's']),
    memory: {
      node: memory.map((m) => m[0]),
      time_s: memory.map((m) => m[1]),
      bytes: memory.map((m) => m[2]),
      greatest_of_s: 0,
    },
  };
  return run;
}
