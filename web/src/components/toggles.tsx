/** The small choices of the view, where a bar shows them and where a sheet does. */
import { ToggleGroup, ToggleGroupItem } from "@/components/ui/toggle-group.tsx";
import { type SpanName, spans, type ViewState } from "../url-state.ts";
import { useView, useWorkspace } from "../workspace.ts";

interface ChoiceProps<K extends keyof ViewState> {
  readonly label: string;
  readonly member: K;
  readonly values: readonly (readonly [ViewState[K], string])[];
  readonly how?: "push" | "replace";
  readonly className?: string | undefined;
}

/** One member of the view, as a row of buttons. */
function Choice<K extends keyof ViewState>({ label, member, values, how = "push", className }: ChoiceProps<K>) {
  const { store } = useWorkspace();
  const view = useView();
  return (
    <ToggleGroup label={label} className={className}>
      {values.map(([value, text]) => (
        <ToggleGroupItem
          key={text}
          isPressed={view[member] === value}
          onClick={() => store.change({ [member]: value }, how)}
        >
          {text}
        </ToggleGroupItem>
      ))}
    </ToggleGroup>
  );
}

const spanValues = (Object.keys(spans) as SpanName[]).map((name) => [name, name] as const);
const clockValues = [
  ["local", "Local"],
  ["utc", "UTC"],
] as const;
const modeValues = [
  ["filter", "Filter"],
  ["mark", "Mark"],
] as const;
const drawnValues = [
  ["list", "Histogram"],
  ["lanes", "Lanes"],
] as const;
const laneValues = [
  ["agent", "Agent"],
  ["task", "Task"],
  ["session", "Session"],
] as const;

/** How far back the time strip looks. */
export function SpanToggle() {
  return <Choice label="Span of time" member="span" values={spanValues} />;
}

/** Whose clock times are shown by. */
export function ClockToggle() {
  return <Choice label="Clock" member="clock" values={clockValues} how="replace" />;
}

/** Whether a query leaves out what does not match, or marks what does. */
export function ModeToggle({ className }: { className?: string }) {
  return <Choice label="What a search does" member="mode" values={modeValues} className={className} />;
}

/** What the time strip draws. */
export function DrawnToggle() {
  return <Choice label="What is drawn" member="view" values={drawnValues} />;
}

/** What has a lane. */
export function LaneToggle() {
  return <Choice label="One lane for each" member="laneKey" values={laneValues} />;
}
