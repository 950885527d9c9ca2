// A pad to draw a digit on. It sends one message at a time, and the newest state next: a slow kernel skips states
// instead of lagging behind.
export default {
  render({ model, el }) {
    const SIZE = 28;
    const SCALE = 10;
    const SIDE = SIZE * SCALE;
    const pad = document.createElement("canvas");
    pad.width = pad.height = SIDE;
    pad.style.cssText =
      "width:168px;height:168px;background:black;touch-action:none;cursor:crosshair;display:block";
    pad.setAttribute("role", "img");
    pad.setAttribute("aria-label", "draw a digit here with the pointer");
    const button = document.createElement("button");
    button.textContent = "clear";
    button.className = "jupyter-button";
    el.append(pad, button);

    const ink = pad.getContext("2d");
    const small = document.createElement("canvas");
    small.width = small.height = SIZE;
    const grid = small.getContext("2d", { willReadFrequently: true });
    ink.lineWidth = 2.6 * SCALE;
    grid.imageSmoothingQuality = "high";
    ink.lineCap = ink.lineJoin = "round";
    ink.strokeStyle = "white";
    const blank = () => {
      ink.fillStyle = "black";
      ink.fillRect(0, 0, SIDE, SIDE);
    };
    blank();
    const drawn = new Uint8Array(model.get("drawing")?.buffer ?? 0); // shown again: what was drawn before
    if (drawn.length === SIZE * SIZE) {
      drawn.forEach((grey, i) => {
        ink.fillStyle = `rgb(${grey},${grey},${grey})`;
        ink.fillRect((i % SIZE) * SCALE, Math.floor(i / SIZE) * SCALE, SCALE, SCALE);
      });
    }

    let waiting = false;
    let changed = false;
    const send = () => {
      if (waiting) {
        changed = true;
        return;
      }
      grid.drawImage(pad, 0, 0, SIZE, SIZE);
      const rgba = grid.getImageData(0, 0, SIZE, SIZE).data;
      const grey = new Uint8Array(SIZE * SIZE);
      for (let i = 0; i < grey.length; i++) grey[i] = rgba[4 * i];
      waiting = true;
      changed = false;
      model.set("drawing", new DataView(grey.buffer));
      model.set("n_sent", model.get("n_sent") + 1);
      model.save_changes();
    };
    const answered = () => {
      waiting = false;
      if (changed) send();
    };
    model.on("change:n_answered", answered);

    let last = null;
    const place = (event) => {
      const box = pad.getBoundingClientRect();
      return [
        ((event.clientX - box.left) * SIDE) / box.width,
        ((event.clientY - box.top) * SIDE) / box.height,
      ];
    };
    const stroke = (event) => {
      const [x, y] = place(event);
      ink.beginPath();
      ink.moveTo(...(last ?? [x, y]));
      ink.lineTo(x + 0.01, y); // a line of length 0 would draw nothing
      ink.stroke();
      last = [x, y];
      send();
    };
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      last = null;
      stroke(event);
    });
    pad.addEventListener("pointermove", (event) => {
      if (last) stroke(event);
    });
    for (const end of ["pointerup", "pointercancel"])
      pad.addEventListener(end, () => {
        last = null;
      });
    button.addEventListener("click", () => {
      blank();
      send();
    });
    return () => model.off("change:n_answered", answered);
  },
};
