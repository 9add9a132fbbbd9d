// Finds what of a timeline is in a window, and turns it into rectangles: what is narrower than a
// pixel is merged, and what lasted longest there wins. The cost follows the window and the pixels.

// Items of one node and lane, by begin; they do not overlap.
class Lane {
  constructor(table) {
    this.table = table;
    this.items = [];
  }

  add(i) {
    const { items, table } = this;
    let k = items.length;
    while (k > 0 && table.begin_s[items[k - 1]] > table.begin_s[i]) k -= 1;
    if (k === items.length) items.push(i);
    else items.splice(k, 0, i);
  }

  // Position of the first item that ends after `time`.
  after(time) {
    const { items, table } = this;
    let low = 0;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (table.end_s[items[middle]] <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  at(time, slack = 0) {
    const k = this.after(time - slack);
    const i = this.items[k];
    return i !== undefined && this.table.begin_s[i] <= time + slack ? i : -1;
  }

  overlaps(begin, end, hair) {
    const i = this.items[this.after(begin + hair)];
    return i !== undefined && this.table.begin_s[i] < end - hair;
  }
}

export class TimelineIndex {
  constructor(run) {
    this.run = run;
    this.version = 0;
    this.rowOf = new Map(run.nodes.id.map((id, row) => [id, row]));
    this.rows = run.nodes.id.map(() => ({
      lanes: [],
      split: Boolean(run.pipeline),
      waits: null,
      away: null,
      bubbles: null,
      path: [],
    }));
    // Of a split row, by lane: where it begins and how high it is, in parts of the row.
    this.parts = run.pipeline
      ? [[0, 0.6], [0.64, 0.18], [0.82, 0.18]] // the computes have numbers in them
      : [0, 1, 2].map((n) => [n / 3, 1 / 3]);
    this.taken = 0; // activities
    this.tables = {}; // waits and away, as they are in the lanes
    this.end = 0;
    this.grow();
  }

  // Takes in activities that were appended since, and waits and absences that were replaced.
  grow() {
    const { activities, waits, away } = this.run.timeline;
    // Times are rounded, those of a live run in each message to other digits.
    const hair = 1e-8 * (this.run.virtual_time_s ?? 0);
    for (let i = this.taken; i < activities.node.length; i += 1) {
      const row = this.rows[this.rowOf.get(activities.node[i])];
      if (!row) continue;
      const number = activities.lane[i];
      const lane = (row.lanes[number] ??= new Lane(activities));
      if (!row.split) {
        row.split = row.lanes.some(
          (other, n) => n !== number && other?.overlaps(activities.begin_s[i], activities.end_s[i], hair)
        );
      }
      lane.add(i);
      this.end = Math.max(this.end, activities.end_s[i]);
    }
    for (const [name, table] of [
      ['waits', waits],
      ['away', away],
    ]) {
      if (this.tables[name] === table) continue;
      this.tables[name] = table;
      for (const row of this.rows) row[name] = null;
      for (let i = 0; i < table.node.length; i += 1) {
        const row = this.rows[this.rowOf.get(table.node[i])];
        if (!row) continue;
        (row[name] ??= new Lane(table)).add(i);
        this.end = Math.max(this.end, table.end_s[i]);
      }
    }
    this.growPipeline();
    this.taken = activities.node.length;
    this.version += 1;
  }

  // A pipeline's bubbles and critical paths, which lie on the computes' lane, and the sender's and
  // the receiver's.
  growPipeline() {
    const { pipeline } = this.run;
    if (!pipeline || this.tables.pipeline === pipeline) return;
    this.tables.pipeline = pipeline;
    const { bubbles, path } = pipeline;
    for (const row of this.rows) {
      row.bubbles = null;
      row.path = [];
    }
    for (let i = 0; i < bubbles.node.length; i += 1) {
      const row = this.rows[this.rowOf.get(bubbles.node[i])];
      if (row) (row.bubbles ??= new Lane(bubbles)).add(i);
    }
    for (let i = 0; i < path.node.length; i += 1) {
      if (path.waits[i]) continue;
      const places = path.peer[i] < 0 ? [[path.node[i], 0]] : [[path.node[i], 1], [path.peer[i], 2]];
      for (const [node, lane] of places) {
        const row = this.rows[this.rowOf.get(node)];
        if (row) (row.path[lane] ??= new Lane(path)).add(i);
      }
    }
  }

  // The lane at a share of the height of a row that is split.
  laneAt(share) {
    for (let n = 2; n > 0; n -= 1) if (share >= this.parts[n][0]) return n;
    return 0;
  }

  // What a row shows at a time: {kind, i} or null. `slack`: seconds of a pixel or so.
  // `share`: of the row's height, from its top.
  at(rowNumber, time, share, slack) {
    const row = this.rows[rowNumber];
    if (!row) return null;
    const number = this.laneAt(share);
    const lanes = row.split ? [row.lanes[number]] : row.lanes;
    for (const margin of [0, slack]) {
      const away = row.away?.at(time, margin) ?? -1;
      if (away >= 0) return { kind: 'away', i: away };
      for (const lane of lanes) {
        const i = lane?.at(time, margin) ?? -1;
        if (i >= 0) return { kind: 'activities', i };
      }
    }
    const bubble = number === 0 ? (row.bubbles?.at(time) ?? -1) : -1;
    if (bubble >= 0) return { kind: 'bubbles', i: bubble };
    const wait = row.waits?.at(time) ?? -1;
    return wait >= 0 ? { kind: 'waits', i: wait } : null;
  }

  // Rectangles {wide, thin}, each [x, y, width, height, ...], for each thing that `drawn` has for
  // labels (pipeline.js), and for waiting, away and lost; of a pipeline also for its bubbles by cause
  // and its critical path. Thin ones are too narrow for a hatching to be seen. And of a pipeline
  // `numbers`: {text, x, y, thing} of micro-batches, where a bar has room for one.
  // `view`: {from, to} seconds; x(s) pixels; rows [first, last]; y(row) its top; height of a row.
  scene(view, things) {
    const { activities, waits, away } = this.run.timeline;
    const { pipeline } = this.run;
    const rects = () => ({ wide: [], thin: [] });
    const drawn = {
      labels: things.names.map(rects),
      waiting: rects(),
      away: rects(),
      lost: rects(),
      bubbles: (pipeline?.causes ?? []).map(rects),
      path: rects(),
      numbers: [],
    };
    const labels = new Painter(view, drawn.labels, activities.label, things.of, pipeline ? 1 : 0);
    const bubbles = pipeline && new Painter(view, drawn.bubbles, pipeline.bubbles.cause);
    const path = pipeline && new Painter(view, [drawn.path], null);
    const lost = new Painter(view, [drawn.lost], null);
    const waiting = new Painter(view, [drawn.waiting], null);
    const gone = new Painter(view, [drawn.away], null);
    for (let number = view.rows[0]; number <= view.rows[1]; number += 1) {
      const row = this.rows[number];
      if (!row) continue;
      const top = view.y(number);
      const place = (n) =>
        row.split
          ? [top + view.height * this.parts[n][0], view.height * this.parts[n][1]]
          : [top, view.height];
      // Below a pipeline's bubbles, which say more.
      const [y, height] = pipeline ? place(0) : [top, view.height];
      if (row.waits) waiting.lane(row.waits, waits, y, height);
      if (row.bubbles) bubbles.lane(row.bubbles, pipeline.bubbles, ...place(0));
      row.lanes.forEach((lane, n) => {
        if (!lane) return;
        labels.lane(lane, activities, ...place(n));
        lost.lane(lane, activities, ...place(n), (i) => activities.cause[i] > 0);
      });
      row.path.forEach((lane, n) => path.lane(lane, pipeline.path, ...place(n)));
      if (pipeline && row.lanes[0]) this.number(row.lanes[0], view, ...place(0), things, drawn.numbers);
      if (row.away) gone.lane(row.away, away, top, view.height);
    }
    return drawn;
  }

  number(lane, view, top, height, things, numbers) {
    const { activities } = this.run.timeline;
    const { microbatch } = this.run.pipeline.labels;
    for (let k = lane.after(view.from); k < lane.items.length; k += 1) {
      const i = lane.items[k];
      if (activities.begin_s[i] >= view.to || numbers.length >= mostNumbers) break;
      const label = activities.label[i];
      if (!(microbatch[label] >= 0)) continue;
      const from = Math.max(view.x(activities.begin_s[i]), view.left);
      const to = Math.min(view.x(activities.end_s[i]), view.right);
      const text = String(microbatch[label]);
      if (to - from < 4 + 6.2 * text.length || height < 9) continue;
      numbers.push({ text, x: (from + to) / 2, y: top + height / 2, thing: things.of(label) });
    }
  }
}

const mostNumbers = 3000; // more are not told apart

class Painter {
  // `styles`: by item; `of(style)`: index of `rects`; `gap`: pixels that a wide one leaves at its end,
  // so that equal ones in a row are told apart.
  constructor(view, rects, styles, of = (style) => style, gap = 0) {
    this.view = view;
    this.rects = rects;
    this.styles = styles;
    this.of = of;
    this.gap = gap;
    this.sums = new Float64Array(rects.length);
  }

  lane(lane, table, y, height, wanted) {
    const { view, sums } = this;
    const { items } = lane;
    const { begin_s: begins, end_s: ends } = table;
    let pixel = -1;
    let covered = 0;
    let drawnTo = -9;
    const flush = () => {
      if (covered === 0) return;
      let best = 0;
      for (let s = 1; s < sums.length; s += 1) if (sums[s] > sums[best]) best = s;
      // Gaps win where they are longer, except that nothing that happened alone disappears.
      if (covered >= 1 / 3 || pixel > drawnTo + 2) {
        this.push(best, pixel, y, 1, height);
        drawnTo = pixel;
      }
      sums.fill(0);
      covered = 0;
    };
    for (let k = lane.after(view.from); k < items.length; k += 1) {
      const i = items[k];
      if (begins[i] >= view.to) break;
      if (wanted && !wanted(i)) continue;
      const style = this.styles ? this.of(this.styles[i]) : 0;
      const from = Math.max(view.x(begins[i]), view.left);
      const to = Math.min(view.x(ends[i]), view.right);
      if (to - from >= 1.2) {
        flush();
        this.push(style, from, y, to - from, height);
        drawnTo = to;
        pixel = -1;
        continue;
      }
      if (Math.floor(from) !== pixel) {
        flush();
        pixel = Math.floor(from);
      }
      const width = Math.max(to - from, 1e-6);
      sums[style] += width;
      covered += width;
    }
    flush();
  }

  push(style, x, y, width, height) {
    const { wide, thin } = this.rects[style];
    const last = thin.length - 4;
    if (width > 3) wide.push(x, y, width > 5 ? width - this.gap : width, height);
    else if (last >= 0 && thin[last + 1] === y && width === 1 && thin[last] + thin[last + 2] === x)
      thin[last + 2] += width;
    else thin.push(x, y, width, height);
  }
}
