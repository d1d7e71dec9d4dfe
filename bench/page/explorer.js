// The content of the pictures: unpacked from the page, coloured, and captioned with the scores of the record.

// inferno (matplotlib), every eighth of it.
const INFERNO = [
  [0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10], [249, 201, 50],
  [252, 255, 164],
];
const GAINS = ["1", "2", "5", "10", "20", "50"];
const STATES = { truth: "truth", perturbed: "truth, perturbed", clean: "clean", attacked: "attacked", noise: "noise" };

/** Numbers of a picture that Python packed: low bytes, then high bytes of float16, deflated. */
async function unpack(text, length) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return Float32Array.from({ length }, (_, index) => float16(bytes[index] | (bytes[length + index] << 8)));
}

function float16(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

/** Draws numbers, black up to `low` and at the end of the colours from `high` on. */
function paint(canvas, values, low, high, colours) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let index = 0; index < values.length; index++) {
    const share = Math.min(Math.max((values[index] - low) / (high - low), 0), 1) || 0;
    const colour = colours ? colours[Math.round(255 * share)] : null;
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * index + channel] = colour ? colour[channel] : 255 * share;
    }
    image.data[4 * index + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function gradient() {
  return Array.from({ length: 256 }, (_, index) => {
    const at = (index / 255) * (INFERNO.length - 1);
    const low = Math.min(Math.floor(at), INFERNO.length - 2);
    return INFERNO[low].map((value, channel) => value + (at - low) * (INFERNO[low + 1][channel] - value));
  });
}

function explore() {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("pictures").textContent);
  const panels = $("panels");
  const colours = gradient();
  const unpacked = new Map();
  let drawing = 0; // number of the latest drawing; an earlier drawing stops when a later drawing has begun

  const number = (value, digits) => Number(value.toPrecision(digits)).toString();
  const words = { ...STATES, noise: data.control };
  const states = Object.keys(STATES).filter((state) => state !== "perturbed" || data.perturbed);

  /** Window and level as the values that are black and white in an image. */
  function greys(one) {
    const [width, level] = ["width", "level"].map((id) => (Number($(id).value) / 100) * one.peak);
    return [level - width / 2, level + width / 2];
  }

  /** Fills a select, and hides it if it has a single choice. */
  function choices(id, values, chosen, names = {}) {
    const select = $(id);
    select.replaceChildren(...values.map((value) => new Option(names[value] ?? value, value)));
    select.value = chosen;
    select.closest("label").hidden = values.length < 2;
    select.addEventListener("change", draw);
  }

  async function picture(one, key) {
    const text = one.pictures[key];
    if (text === undefined) return null;
    const name = `${one.name}\n${key}`;
    if (!unpacked.has(name)) {
      if (unpacked.size > 60) unpacked.delete(unpacked.keys().next().value);
      unpacked.set(name, unpack(text, one.rows * one.columns));
    }
    return unpacked.get(name);
  }

  function show(canvas, one, values, [low, high], map, label) {
    canvas.width = one.columns;
    canvas.height = one.rows;
    canvas.parentElement.classList.toggle("absent", values === null);
    canvas.setAttribute("aria-label", values === null ? `${label}: not on this page` : label);
    if (values !== null) paint(canvas, values, low, high, map);
  }

  /** A picture and its error below it, for each method. */
  function methods() {
    for (const victim of data.victims) {
      const figure = document.createElement("figure");
      for (const kind of ["image", "error"]) {
        const canvas = document.createElement("canvas");
        canvas.setAttribute("role", "img");
        canvas.className = kind;
        const layer = document.createElement("div");
        layer.className = "layer";
        layer.append(canvas);
        const frame = document.createElement("div");
        frame.className = "frame";
        frame.append(layer);
        figure.append(frame);
      }
      figure.append(document.createElement("figcaption"));
      $("methods").append(figure);
    }
    $("beside").hidden = data.victims.length < 2;
  }

  /** Draws every method in the chosen state, under its own attack if there is one, otherwise under the chosen one. */
  async function drawMethods(one, turn, eps, source, gain) {
    const state = $("state").value;
    const truth = await picture(one, "truth");
    const found = await Promise.all(data.victims.map(async (victim) => {
      const made = data.sources.includes(victim) ? victim : source;
      const last = { clean: "clean", noise: `noise|${eps}`, attacked: `${made}|${eps}` }[state];
      const scores = (one.scores[`${victim}|${made}|${eps}`] ?? {});
      return { victim, made, scores, values: await picture(one, `${victim}|${last}`) };
    }));
    if (turn !== drawing) return;
    found.forEach(({ victim, made, scores, values }, index) => {
      const figure = $("methods").children[index];
      const errors = values?.map((value, at) => Math.abs(value - truth[at])) ?? null;
      const of = state === "attacked" && made !== victim ? `${victim}, made for ${made}` : victim;
      show(figure.querySelector(".image"), one, values, greys(one), null, `${of}, ${words[state]}: ${one.name}`);
      show(figure.querySelector(".error"), one, errors, [0, one.peak / gain], colours, `Error of ${of}, ${words[state]}`);
      caption(figure.querySelector("figcaption"), of, scored(scores, state), state);
    });
  }

  function scored(scores, state) {
    const at = ["clean", "noise", "attacked"].indexOf(state);
    const psnr = scores.psnr ? `PSNR ${scores.psnr[at]} dB` : "";
    return scores.ssim ? `${psnr}, SSIM ${scores.ssim[at]}` : psnr;
  }

  /** A caption: a title and a line of numbers. */
  function caption(element, title, line, kind) {
    const strong = document.createElement("strong");
    strong.textContent = title;
    strong.className = kind;
    const small = document.createElement("small");
    small.textContent = line;
    element.replaceChildren(strong, small);
  }

  async function draw() {
    const turn = ++drawing;
    const one = data.cases[Number($("case").value)];
    const [eps, victim, source, gain] = ["eps", "victim", "source", "gain"].map((id) => $(id).value);
    const keys = {
      truth: "truth", perturbed: `${source}|perturbed truth|${eps}`, clean: `${victim}|clean`, noise: `${victim}|noise|${eps}`, attacked: `${victim}|${source}|${eps}`,
      perturbation: `${source}|perturbation|${eps}`,
    };
    const names = [...states, "perturbation"];
    const found = await Promise.all(names.map((name) => picture(one, keys[name])));
    if (turn !== drawing) return;
    const pictures = Object.fromEntries(names.map((name, index) => [name, found[index]]));
    if (gain === "auto") {
      $("gain").value = suitable(one, pictures);
      return draw();
    }
    const scores = one.scores[keys.attacked] ?? {};
    const told = { truth: "what the method should return", perturbed: "all data, with the perturbation" };
    const score = (state) => told[state] ?? scored(scores, state);

    panels.style.setProperty("--ratio", one.columns / one.rows);
    for (const figure of panels.querySelectorAll("figure[data-panel]:not(.wipe)")) {
      const name = figure.dataset.panel;
      const canvas = figure.querySelector("canvas");
      const text = figure.querySelector("figcaption");
      const of = `${one.name}, epsilon ${eps}`;
      if (name === "truth") {
        show(canvas, one, pictures.truth, greys(one), null, `Truth: ${one.name}`);
        caption(text, "Truth", score(name), "");
      } else if (name === "perturbation") {
        const top = pictures.perturbation?.reduce((most, value) => Math.max(most, value), 0) || one.peak;
        show(canvas, one, pictures.perturbation, [0, top], null, `Perturbation as an image: ${of}`);
        caption(text, "Perturbation", `epsilon ${eps}, white is ${number(top, 2)} (×${number(one.peak / top, 2)})`, "");
      } else {
        const errors = pictures[name]?.map((value, index) => Math.abs(value - pictures.truth[index])) ?? null;
        show(canvas, one, errors, [0, one.peak / gain], colours, `Error of ${words[name]}, ${score(name)}: ${of}`);
        caption(text, `Error, ${words[name]}`, score(name), name);
      }
    }
    for (const side of ["left", "right"]) {
      const state = $(side).value;
      show($(`${side}-canvas`), one, pictures[state], greys(one), null, `${words[state]}, ${score(state)}: ${one.name}`);
      panels.querySelector(".wipe .frame").setAttribute(`data-${side}`, words[state]);
      $(`${side}-score`).textContent = state === "truth" ? "the reference" : score(state);
    }
    $("half").textContent = number(one.peak / gain / 2, 2);
    $("full").textContent = number(one.peak / gain, 2);
    const [black, white] = greys(one);
    $("black").textContent = number(black, 2);
    $("white").textContent = number(white, 2);
    for (const id of ["width", "level"]) {
      $(`${id}-told`).textContent = `${$(id).value} %`;
      $(id).setAttribute("aria-valuetext", `${$(id).value} % of the truth's white`);
    }
    $("bar").setAttribute("aria-label", `Colours of the errors, black 0 to light yellow ${number(one.peak / gain, 2)}`);
    if (data.victims.length > 1) await drawMethods(one, turn, eps, source, gain);
    if (turn !== drawing) return;
    outline(one.boxes ?? (data.region ? [data.region] : []), one);
    $("missing").textContent = names.some((name) => pictures[name] === null)
      ? "Some pictures of this choice are not on this page, which keeps to about 10 MB." : "";
  }

  /** The largest gain at which a twentieth of the attacked image's errors, at most, is off the scale. */
  function suitable(one, pictures) {
    const errors = pictures.truth.map((value, index) => Math.abs((pictures.attacked?.[index] ?? value) - value)).sort();
    const large = errors[Math.floor(0.95 * errors.length)] || one.peak;
    return GAINS.findLast((gain) => large <= one.peak / gain) ?? GAINS[0];
  }

  /** Marks the boxes that are scored, if they are not the whole image. */
  function outline(boxes, one) {
    for (const layer of panels.querySelectorAll(".layer")) {
      layer.querySelectorAll(".region").forEach((mark) => mark.remove());
      for (const [row, column, rows, columns] of boxes) {
        const edges = [row / one.rows, 1 - (column + columns) / one.columns, 1 - (row + rows) / one.rows, column / one.columns];
        const mark = layer.appendChild(document.createElement("div"));
        mark.className = "region";
        mark.style.inset = edges.map((edge) => `${100 * edge}%`).join(" ");
      }
    }
  }

  choices("case", data.cases.map((_, index) => String(index)), "0", data.cases.map((one) => one.name));
  choices("eps", data.eps, data.shown);
  choices("victim", data.victims, data.victims[0]);
  choices("source", data.sources, data.sources.includes(data.victims[0]) ? data.victims[0] : data.sources[0]);
  choices("gain", [...GAINS, "auto"], "auto", { ...Object.fromEntries(GAINS.map((gain) => [gain, `×${gain}`])), auto: "to fit" });
  choices("left", states, "clean", words);
  choices("right", states, "attacked", words);
  choices("state", ["attacked", "noise", "clean"], "attacked", words);
  // Without perturbations for other methods each method has its own alone.
  if (!data.crossed) $("source").closest("label").hidden = true;
  // A newly chosen method is shown under its own attack.
  $("victim").addEventListener("change", () => {
    if (data.sources.includes($("victim").value)) $("source").value = $("victim").value;
  }, { capture: true });
  $("bar").style.background = `linear-gradient(to right, ${INFERNO.map((colour) => `rgb(${colour})`).join(", ")})`;
  for (const id of ["width", "level"]) $(id).addEventListener("input", draw);
  $("whole").addEventListener("click", () => {
    for (const id of ["width", "level"]) $(id).value = $(id).defaultValue;
    draw();
  });
  $("pixels").addEventListener("change", () => panels.classList.toggle("pixels", $("pixels").checked));
  methods();
  shareView(panels, { in: $("in"), out: $("out"), reset: $("reset"), zoom: $("zoom") });
  wipe($("divider"));
  return draw().then(() => panels.classList.add("drawn"));
}

// A browser that cannot do this shows the static figure, like a browser without scripts.
Promise.resolve().then(explore).catch((error) => {
  document.documentElement.classList.remove("scripted");
  console.error(error);
});
