// A picture of a plane with a cross on it, which follows the pointer and the arrow keys. It sends one message at a
// time, and the newest place next.
const DIRECTIONS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export default {
  render({ model, el }) {
    const [left, top, wide, high] = model.get("frame"); // the plane within the picture, as shares of it
    const box = document.createElement("div");
    box.className = "course-plane";
    box.style.cssText = `position:relative;width:${model.get("width")}px;max-width:100%;touch-action:none;cursor:crosshair`;
    box.tabIndex = 0;
    box.setAttribute("role", "application");
    box.setAttribute(
      "aria-label",
      "the code plane: move the pointer over it, or use the arrow keys",
    );
    const image = document.createElement("img");
    image.style.cssText = "width:100%;display:block";
    image.draggable = false;
    const plane = document.createElement("div");
    plane.style.cssText =
      "position:absolute;overflow:hidden;pointer-events:none;" +
      `left:${100 * left}%;top:${100 * top}%;width:${100 * wide}%;height:${100 * high}%`;
    const part = (style) => {
      const line = document.createElement("div");
      line.style.cssText = `position:absolute;box-sizing:border-box;${style}`;
      plane.append(line);
      return line;
    };
    const edge = "background:black;box-shadow:0 0 0 1px white;";
    const across = part(edge + "left:0;width:100%;height:1px");
    const down = part(edge + "top:0;height:100%;width:1px");
    const ring = part(
      "width:14px;height:14px;margin:-7px;border:3px solid #D55E00;border-radius:50%",
    );
    box.append(image, plane);
    el.append(box);

    let at = [0.5, 0.5];
    let waiting = false;
    let changed = false;
    const mark = () => {
      down.style.left = ring.style.left = `${100 * at[0]}%`;
      across.style.top = ring.style.top = `${100 * (1 - at[1])}%`;
    };
    const send = () => {
      if (waiting) {
        changed = true;
        return;
      }
      waiting = true;
      changed = false;
      model.set("at", at);
      model.set("n_sent", model.get("n_sent") + 1);
      model.save_changes();
    };
    const answered = () => {
      waiting = false;
      if (changed) send();
    };
    const moved = () => {
      if (!waiting && Array.isArray(model.get("at"))) {
        at = model.get("at");
        mark();
      }
    };
    const draw = () => {
      const before = image.src;
      image.src = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
      if (before) URL.revokeObjectURL(before);
    };
    const go = (u, v) => {
      at = [Math.min(Math.max(u, 0), 1), Math.min(Math.max(v, 0), 1)];
      mark();
      send();
    };
    const follow = (event) => {
      const area = plane.getBoundingClientRect();
      const u = (event.clientX - area.left) / area.width;
      const v = 1 - (event.clientY - area.top) / area.height;
      const held = box.hasPointerCapture(event.pointerId); // a drag that began here may leave the plane
      if (held || (u >= 0 && u <= 1 && v >= 0 && v <= 1)) go(u, v);
    };
    box.addEventListener("pointerdown", (event) => {
      box.setPointerCapture(event.pointerId);
      follow(event);
    });
    box.addEventListener("pointermove", follow);
    box.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 0.1 : 0.02;
      const move = DIRECTIONS[event.key];
      if (!move) return;
      event.preventDefault();
      event.stopPropagation();
      go(at[0] + move[0] * step, at[1] + move[1] * step);
    });
    model.on("change:n_answered", answered);
    model.on("change:at", moved);
    model.on("change:png", draw);
    draw();
    moved();
    mark();
    return () => {
      model.off("change:n_answered", answered);
      model.off("change:at", moved);
      model.off("change:png", draw);
      URL.revokeObjectURL(image.src);
    };
  },
};
