/*
 * Who runs a task, as a model that `spin` searches exhaustively: every order of steps, every fault, within the bounds
 * below. README.md says how to read it and what it leaves out; scripts/check-model.ts runs it.
 *
 * Promela in six lines:
 *   proctype P() { … }     a process; all processes take their steps in any order
 *   do :: a -> b  :: … od  again and again one of the options whose first statement is true
 *   atomic { … }           happens without another process in between: here, one transaction of the store, or one
 *                          step of a node that nobody else can see half done
 *   inline f() { … }       text that is put in where it is named
 *   timeout                true when no process can do anything any more
 *   assert(…)              the search ends with a counterexample when it is false
 */

#ifndef NODES
#define NODES 2
#endif
#ifndef OCCURRENCES
#define OCCURRENCES 2 /* due times of the task, all due from the beginning */
#endif
#ifndef FAULTS
#define FAULTS 2 /* kills, cuts and pauses, together */
#endif
#ifndef HANDS
#define HANDS 1 /* full backups by hand on a node that is not responsible */
#endif
#define CHAINS (OCCURRENCES + 2 * FAULTS + HANDS + 1)
#define none 0 /* chains, runs and occurrences count from 1 */

/* A promise that does not hold ends the search with an error that has its name. */
#define promise(name, holds) assert((holds) || name)
hidden byte one_writer_per_chain, each_backup_follows_the_one_before, incrementals_only_by_their_owner,
  first_backup_after_a_move_is_a_full, no_commit_under_an_old_generation, no_commit_of_an_ended_run,
  no_occurrence_twice, generations_only_grow, only_a_lost_node_loses_its_task, only_lost_runs_are_interrupted,
  the_owner_is_responsible, no_run_displaces_another, the_source_keeps_what_the_owner_needs,
  a_living_node_gets_the_task, no_run_stays_for_ever, every_occurrence_is_backed_up;

/* ---- The store: all that is here survives everything; a transaction is one atomic step. ------------------------- */

/* The task's record (TaskRecord), and what is needed of the record of its running run (RunRecord). */
typedef Record {
  byte node = 0;           /* responsible: nodes count from 0 */
  byte generation = 1;
  byte running = none;       /* the running run … */
  byte runner = 0;         /* … its node … */
  byte runGeneration = 0;  /* … its generation … */
  byte occurrence = none;  /* … and what it stands for; none: by hand */
  byte owner = none;       /* the chain whose incrementals its maker may make: node and generation in one */
  byte newest = none;      /* the last chain that was owned */
  byte cursor = 0;         /* occurrences up to here are settled */
  byte owed = none;        /* the occurrence of an interrupted run, to be done again */
  bool notSuitable = false;
}
Record r;
bool session[NODES] = true;
byte runs = 0; /* ids of runs */

/*
 * Revisions without numbers: the nodes (one bit each) that have read the record as it is now. Whoever writes it
 * empties the set, so that the compare-and-set of all others fails.
 */
byte current = 0;
#define bit_of(n) (1 << (n))
#define isCurrent(n) (current & bit_of(n))
#define wrote current = 0

/* ---- The destinations: always within reach; what is there stays. ------------------------------------------------ */

byte chains = 0;
byte maker[CHAINS];  /* by chain: the node in its name */
byte length[CHAINS]; /* by chain: how many manifests */
bool forgotten = false; /* the source keeps changes no more for the newest chain: it cannot be continued */

/* ---- The nodes. ------------------------------------------------------------------------------------------------- */

mtype = { nothing, take, hand, claim, interrupt };  /* what a node has decided and not yet written */
mtype = { idle, working, stored, staged };          /* how far its run is; staged: left by a process that was killed */

typedef Node_ {
  bool alive = true;
  bool connected = true;     /* to the store */
  mtype decided = nothing;
  byte seenGeneration;       /* when it decided */
  byte seenOccurrence;
  /* The run that it carries out. */
  mtype phase = idle;
  byte running;
  byte generation;
  byte occurrence;
  bool isFull;
  byte chain;                /* which it continues, or has begun */
  byte base;                 /* manifests of the chain when it began to work: its backup follows the last of them */
  /* What it remembers of the record, for the time when it cannot read it. */
  byte ownChain;
  byte knownGeneration;
  byte knownCursor;
  /* The journal: occurrences that it settled while cut off, and under which generation. On disk. */
  byte journalFirst;
  byte journalLast;
  byte journalGeneration;
}
Node_ at[NODES];

/* ---- The world. ------------------------------------------------------------------------------------------------- */

byte faults = FAULTS;
byte hands = HANDS;
bool calm = false; /* from some moment on nothing breaks, and nothing is mended: then all must come to rest */
#define mayBreak (!calm && faults > 0)

/* Only to check with: what has been committed, and whether the next commit must be a full. */
bool committed[OCCURRENCES + 1];
bool mustBeFull = true;

#define isOnline(n) (at[n].alive && at[n].connected)
#define isFree(n) (isOnline(n) && at[n].decided == nothing)

inline checkRecord() {
  promise(the_owner_is_responsible, r.owner == none || maker[r.owner] == r.node);
}

inline settle(which) {
  if
  :: which != none ->
     promise(no_occurrence_twice, !committed[which]);
     committed[which] = true
  :: else
  fi
}

/* Ledger.finish refuses every end, a bad one too, of a run of another generation. */
#define runIsCurrent (r.runGeneration == r.generation)

/* The running run ends without a backup; what it stood for is owed. */
inline interruptRunning() {
  if :: r.occurrence != none -> r.owed = r.occurrence :: else fi;
  r.running = none; r.runner = 0; r.runGeneration = 0; r.occurrence = none
}

inline remember(n) {
  at[n].knownGeneration = r.generation;
  at[n].knownCursor = r.cursor;
  at[n].ownChain = (r.node == n -> r.owner : none)
}

inline forget(n) {
  at[n].ownChain = none; at[n].knownGeneration = 0; at[n].knownCursor = 0
}

inline undecide(n) {
  at[n].decided = nothing; at[n].seenGeneration = 0; at[n].seenOccurrence = none
}

inline endRun(n) {
  at[n].phase = idle; at[n].running = none; at[n].generation = 0; at[n].occurrence = none;
  at[n].isFull = false; at[n].chain = none; at[n].base = 0
}

inline decide(n, what, occurrence_) {
  at[n].decided = what;
  at[n].seenGeneration = r.generation;
  at[n].seenOccurrence = occurrence_;
  current = current | bit_of(n)
}

/* A manifest is written: from now on the backup exists, whatever the store will say. */
inline writeManifest(n) {
  if
  :: at[n].isFull ->
     chains++; maker[chains] = n; length[chains] = 1; at[n].chain = chains;
#ifdef BREAK_ENDED_AFTER_COMMIT
     /* A full that is to be owned ends what the source keeps for all chains before it, as soon as it is stored. */
     if :: at[n].occurrence != none && r.newest != none -> forgotten = true :: else fi
#endif
  :: else ->
     promise(one_writer_per_chain, maker[at[n].chain] == n);
     promise(each_backup_follows_the_one_before, at[n].base == length[at[n].chain]);
     length[at[n].chain]++
  fi
}

/* The store did what was asked, and the answer comes; or the node is cut off before, and never hears it. */
inline answered(n, heard) {
  if :: heard = true :: mayBreak -> faults--; at[n].connected = false; heard = false fi
}

/* ---- Transactions: of Ledger, Assignments and Reconciler. ------------------------------------------------------- */

/* Ledger.take, startByHand: compare-and-set on the record that the decision was made on. */
#ifdef BREAK_TAKE_CAS
#define mayTake(n) true
#else
#define mayTake(n) isCurrent(n)
#endif
inline takeRun(n, heard) {
  if
  :: !mayTake(n)
  :: else ->
     runs++;
     promise(no_run_displaces_another, r.running == none);
     r.running = runs; r.runner = n; r.runGeneration = r.generation; r.occurrence = at[n].seenOccurrence;
     if
     :: r.occurrence == none
     :: r.occurrence != none && r.occurrence == r.owed -> r.owed = none
     :: else -> r.cursor = r.occurrence
     fi;
     wrote;
     answered(n, heard);
     if
     :: heard ->
        at[n].phase = working;
        at[n].running = r.running; at[n].generation = at[n].seenGeneration; at[n].occurrence = r.occurrence;
        remember(n);
        chooseScope(n)
     :: else
     fi
  fi;
  undecide(n)
}

/* A node without ownership makes a full; the owner makes what is due. */
inline chooseScope(n) {
  if
  :: at[n].isFull = true
  :: at[n].decided == take && r.owner != none ->
     promise(the_source_keeps_what_the_owner_needs, !forgotten);
     at[n].chain = r.owner
#ifdef BREAK_OWNERSHIP
  :: at[n].decided == take && r.newest != none -> at[n].chain = r.newest
#endif
  fi;
#ifdef BREAK_BASE
  at[n].base = 1 /* what the store last heard of, in place of what the destination lists */
#else
  at[n].base = (at[n].isFull -> 0 : length[at[n].chain])
#endif
}

/* Ledger.finish with a good end. */
#ifdef BREAK_GENERATION_CHECK
#define generationStands(generation_) true
#else
#define generationStands(generation_) (generation_ == r.generation)
#endif
#ifdef BREAK_RUN_CHECK
#define runStands(run_) true
#else
#define runStands(run_) (run_ == r.running)
#endif
#ifdef BREAK_GRANT
#define mayOwn(n) true
#else
#define mayOwn(n) (r.node == n)
#endif
inline commitRun(n, heard) {
  heard = true;
  if
  :: generationStands(at[n].generation) && runStands(at[n].running) ->
     promise(no_commit_under_an_old_generation, at[n].generation == r.generation);
     promise(no_commit_of_an_ended_run, at[n].running == r.running);
     settle(at[n].occurrence);
     r.running = none; r.runner = 0; r.runGeneration = 0; r.occurrence = none;
     if
     :: at[n].isFull ->
        /* By hand on another node it takes nothing: the owner's chain goes on. */
        if :: mayOwn(n) -> r.owner = at[n].chain; r.newest = at[n].chain; mustBeFull = false; forgotten = false :: else fi
     :: else ->
        promise(incrementals_only_by_their_owner, r.node == n && r.owner == at[n].chain);
        promise(first_backup_after_a_move_is_a_full, !mustBeFull)
     fi;
     wrote;
     checkRecord();
     answered(n, heard);
     if :: heard -> remember(n) :: else fi
  :: else -> forget(n) /* refused: another node is responsible, or the run was ended, or this was told before */
  fi;
  if :: heard -> endRun(n) :: else fi
}

/* Reconciler.task, when the store is back: what the journal holds counts if the generation still stands. */
inline commitJournal(n, heard) {
  heard = true;
  if
  :: generationStands(at[n].journalGeneration) ->
     promise(no_commit_under_an_old_generation, at[n].journalGeneration == r.generation);
     promise(incrementals_only_by_their_owner, r.node == n);
     promise(first_backup_after_a_move_is_a_full, !mustBeFull);
     for (i : at[n].journalFirst .. at[n].journalLast) {
#ifdef BREAK_JOURNAL_CURSOR
       settle(i);
       r.cursor = (i > r.cursor -> i : r.cursor)
#else
       /* What is settled already was taken by a transaction whose answer this node never heard: its run stands for it. */
       if :: i > r.cursor -> settle(i); r.cursor = i :: else fi
#endif
     };
     wrote;
     answered(n, heard)
  :: else -> forget(n) /* the chain is closed; what it holds is still restorable */
  fi;
  if :: heard -> at[n].journalFirst = none; at[n].journalLast = none; at[n].journalGeneration = 0 :: else fi
}

/* Assignments.take, by the node that the task moves to. */
#ifdef BREAK_CLAIM_OBSERVED
#define mayClaim(n) true
#else
#define mayClaim(n) (isCurrent(n) && !session[r.node]) /* checks: the task's record, and that nodes/<node> is absent */
#endif
inline claimTask(n, heard) {
  if
  :: !mayClaim(n)
  :: else ->
     promise(only_a_lost_node_loses_its_task, !session[r.node]);
     r.node = n;
#ifndef BREAK_NEW_GENERATION
     r.generation++;
#endif
     promise(generations_only_grow, r.generation > at[n].seenGeneration);
     r.notSuitable = false;
#ifndef BREAK_MOVE_ENDS_RUN
     /* Whosever it is: no commit of this generation can end it any more. */
     if :: r.running != none -> interruptRunning() :: else fi;
#endif
     mustBeFull = (r.newest == none || maker[r.newest] != n);
#ifndef BREAK_OWNER_CLEARED
     r.owner = (mustBeFull -> none : r.newest);
#endif
     wrote;
     checkRecord();
     answered(n, heard);
     if :: heard -> remember(n) :: else fi
  fi;
  undecide(n)
}

/* Assignments.interrupt, by the responsible node: a run by hand whose node went away. */
#ifdef BREAK_INTERRUPT_OBSERVED
#define mayInterrupt(n) (r.running != none)
#else
#define mayInterrupt(n) (isCurrent(n) && !session[r.runner])
#endif
inline interruptLost(n) {
  if
  :: !mayInterrupt(n)
  :: else ->
     promise(only_lost_runs_are_interrupted, !session[r.runner]);
     interruptRunning();
     wrote
  fi;
  undecide(n)
}

/* ---- Processes. ------------------------------------------------------------------------------------------------- */

hidden byte i;
hidden byte heard_;

proctype Node(byte me) {
end:
  do
  /* A session: the node's sign of life in the store. */
  :: atomic { isOnline(me) && !session[me] -> session[me] = true }

  /* Assignments.mark and .clear, the first step of a move: whoever sees that the responsible node is gone says so. */
  :: atomic { isFree(me) && session[me] && !session[r.node] && !r.notSuitable -> r.notSuitable = true; wrote }
  :: atomic { isFree(me) && me == r.node && session[me] && r.notSuitable -> r.notSuitable = false; wrote }

  /*
   * Decisions. What a node saw may be old when it writes: it may stand still in between, for as long as it likes.
   * The second step of a move comes any time after the first, by any node that lives: the hash may choose any.
   */
  :: atomic {
       isFree(me) && session[me] && me != r.node && r.notSuitable && !session[r.node] -> decide(me, claim, none)
     }
  :: atomic {
       isFree(me) && at[me].phase == idle && at[me].journalFirst == none && me == r.node && r.running == none &&
       (r.owed != none || r.cursor < OCCURRENCES) ->
       if
       :: r.owed != none -> decide(me, take, r.owed)
       :: else -> decide(me, take, r.cursor + 1)
       fi
     }
  :: atomic {
       isFree(me) && at[me].phase == idle && me != r.node && r.running == none && hands > 0 ->
       hands--; decide(me, hand, none)
     }
#ifndef BREAK_LOST_BY_HAND
  :: atomic {
       isFree(me) && me == r.node && r.running != none && r.runner != me && runIsCurrent && !session[r.runner] ->
       decide(me, interrupt, none)
     }
#endif

  /* … and the transactions that write them; without the store there is none. */
  :: atomic { isOnline(me) && (at[me].decided == take || at[me].decided == hand) -> takeRun(me, heard_) }
  :: atomic { isOnline(me) && at[me].decided == claim -> claimTask(me, heard_) }
  :: atomic { isOnline(me) && at[me].decided == interrupt -> interruptLost(me) }
  :: atomic { at[me].alive && !at[me].connected && at[me].decided != nothing -> undecide(me) }

  /* A run: dump and upload, which end with the manifest; then the commit, told until it is heard. */
  :: atomic { at[me].alive && at[me].phase == working -> writeManifest(me); at[me].phase = stored }
  :: atomic { isFree(me) && at[me].phase == stored -> commitRun(me, heard_) }

  /* What a killed process had dumped whole is uploaded. Its run is no longer ours: no commit, a true backup. */
  :: atomic { at[me].alive && at[me].phase == staged -> writeManifest(me); endRun(me) }

  /* A run in the record that this process does not carry out: of its last life, or the answer to `take` was lost. */
  :: atomic {
       isFree(me) && r.running != none && r.runner == me && at[me].running != r.running && runIsCurrent ->
       interruptRunning(); wrote
     }

  /* Without the store: the owner goes on with incrementals of its chain, and keeps a journal. */
  :: atomic {
       at[me].alive && !at[me].connected && at[me].decided == nothing && (at[me].phase == idle || at[me].phase == stored) &&
       at[me].ownChain != none && at[me].knownCursor < OCCURRENCES ->
       promise(one_writer_per_chain, maker[at[me].ownChain] == me);
       length[at[me].ownChain]++;
       at[me].knownCursor++;
       if
       :: at[me].journalFirst == none ->
          at[me].journalFirst = at[me].knownCursor; at[me].journalGeneration = at[me].knownGeneration
       :: else
       fi;
       at[me].journalLast = at[me].knownCursor
     }
  :: atomic {
       isFree(me) && at[me].phase != stored && at[me].journalFirst != none -> commitJournal(me, heard_)
     }
  od
}

/* Breaks and mends one node. */
proctype Faults(byte n) {
end:
  do
  /* kill -9: the memory is gone. What was being dumped is in staging, whole or not; the journal is. */
  :: atomic {
       mayBreak && at[n].alive ->
       faults--; at[n].alive = false; undecide(n); forget(n);
       if
       :: at[n].phase == working ->
          at[n].phase = staged; at[n].running = none; at[n].generation = 0; at[n].occurrence = none
       :: at[n].phase != staged -> endRun(n)
       :: at[n].phase == staged
       fi
     }
  :: atomic { !calm && !at[n].alive -> at[n].alive = true }
  /* Cut off from the store, not from its sources and destinations. */
  :: atomic { mayBreak && at[n].connected -> faults--; at[n].connected = false }
  :: atomic { !calm && !at[n].connected -> at[n].connected = true }
  /* It stands still for longer than its session lasts, and does not know. */
  :: atomic { mayBreak && isOnline(n) && session[n] -> faults--; session[n] = false }
  /* The store ends the session of who does not renew it. */
  :: atomic { session[n] && !isOnline(n) -> session[n] = false }
  od
}

/* Progress: when nothing breaks any more and all steps have been taken, the work is done. */
proctype Rest() {
  calm = true;
  atomic {
    timeout ->
    for (i : 0 .. NODES - 1) {
      promise(a_living_node_gets_the_task, !isOnline(i) || session[r.node])
    };
    if
    :: session[r.node] ->
       promise(no_run_stays_for_ever, r.running == none);
       for (i : 1 .. OCCURRENCES) { promise(every_occurrence_is_backed_up, committed[i]) }
    :: else
    fi
  }
}

init {
  atomic {
    for (i : 0 .. NODES - 1) { run Node(i); run Faults(i) };
    run Rest()
  }
}
