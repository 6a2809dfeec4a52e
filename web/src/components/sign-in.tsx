/**
 * The form for the token: alone on the page at the first visit, and above the rows when the token stopped being good. It is
 * an ordinary form with a password field, so a password manager can fill it. A chunk of its own, for it is seen once.
 */
import { KeyRound } from "lucide-react";
import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { Button } from "@/components/ui/button.tsx";
import { Checkbox } from "@/components/ui/checkbox.tsx";
import { Input } from "@/components/ui/input.tsx";
import { cn } from "@/lib/utils.ts";
import { isKeptOnDevice, tokenProblem } from "../token.ts";

export interface SignInProps {
  /** What is wrong with the token that was sent. */
  readonly refusal?: string | null;
  readonly onToken: (token: string, where: "tab" | "device") => void;
}

/** What stands in the place of the events before there are any to be seen. */
export default function SignInCard(props: SignInProps) {
  const id = useId();
  return (
    <section
      aria-labelledby={id}
      className="flex w-[min(24rem,calc(100vw-2rem))] flex-col gap-4 rounded-lg border bg-card p-6 shadow-float"
    >
      <div>
        <h2 id={id} className="flex items-center gap-2 font-semibold text-base">
          <KeyRound aria-hidden="true" className="size-4 text-primary" /> Sign in
        </h2>
        <p className="mt-1 text-muted-foreground">
          Events are shown to those who have a token: one of their own, from whoever runs this server, or the one that
          the server made and named when it started.
        </p>
      </div>
      <SignInForm {...props} />
    </section>
  );
}

/** The form alone; `isInline` puts it into one line where there is room. */
export function SignInForm({ refusal = null, onToken, isInline = false }: SignInProps & { isInline?: boolean }) {
  const [token, setToken] = useState("");
  const [isKept, setIsKept] = useState(isKeptOnDevice);
  const [problem, setProblem] = useState(refusal);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => field.current?.focus({ preventScroll: true }), []);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const found = tokenProblem(token.trim());
    setProblem(found);
    if (found === null) onToken(token.trim(), isKept ? "device" : "tab");
  };
  return (
    <form
      aria-label="Sign in"
      onSubmit={submit}
      className={cn("flex flex-col gap-3", isInline && "sm:flex-row sm:items-end")}
    >
      {/* A password manager keeps a token under a name, so it is given one. */}
      <input type="text" name="username" autoComplete="username" value="todoki" readOnly hidden />
      <div className="flex min-w-0 flex-1 flex-col gap-1">
        <label className="font-medium" htmlFor={id}>
          Token
        </label>
        <Input
          ref={field}
          id={id}
          type="password"
          autoComplete="current-password"
          className="h-9! font-mono pointer-coarse:h-11!"
          aria-invalid={problem !== null}
          aria-describedby={problem === null ? undefined : `${id}-problem`}
          value={token}
          onChange={(event) => {
            setToken(event.target.value);
            setProblem(null);
          }}
        />
        {problem !== null && (
          <p id={`${id}-problem`} role="alert" className="text-destructive">
            {problem}
          </p>
        )}
      </div>
      <div className="flex h-9 items-center gap-2 pointer-coarse:h-11">
        <Checkbox id={`${id}-keep`} checked={isKept} onCheckedChange={(checked) => setIsKept(checked === true)} />
        <label htmlFor={`${id}-keep`}>Keep on this device</label>
      </div>
      <Button type="submit" variant="primary" className="h-9!">
        Sign in
      </Button>
    </form>
  );
}
