package org.chksweep.flinkjobs;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.util.SerializedThrowable;

/** Runs real Flink jobs that leave real checkpoint trees, proves that one restores, and reads `_metadata`. */
public final class Main {
  private Main() {}

  public static void main(String[] args) {
    Answers.claimStandardOutput();
    int exit = 0;
    try {
      if (args.length == 0 || args[0].equals("--help")) {
        Answers.print(Options.HELP);
      } else {
        Answers.result(carryOut(args[0], args));
      }
    } catch (Throwable e) {
      e.printStackTrace();
      Answers.failed(chain(e));
      exit = 1;
    }
    // No orderly end: a crash is what some callers ask for, the others have closed the cluster already.
    // With ForSt loaded the halt itself can hang; the caller kills what does not go after its last answer.
    Runtime.getRuntime().halt(exit);
  }

  private static Map<String, Object> carryOut(String verb, String[] args) throws Exception {
    switch (verb) {
      case "run":
        return new Run(Options.parse(args), new Parent()).carryOut();
      case "verify":
        return new Verify(Options.parse(args), new Parent()).carryOut();
      case "dump":
        FileSystem.initialize(new Configuration(), null);
        List<Map<String, Object>> dumps = new ArrayList<>();
        for (int i = 1; i < args.length; i++) {
          dumps.add(MetadataDump.of(args[i]));
        }
        return Map.of("dumps", dumps);
      case "tree":
        FileSystem.initialize(new Configuration(), null);
        Map<String, Object> tree = new LinkedHashMap<>();
        tree.put("root", args[1]);
        tree.put("entries", Tree.below(args[1]));
        return tree;
      default:
        throw new IllegalArgumentException("unknown verb " + verb + "; --help lists them");
    }
  }

  /** The messages of an exception and its causes. */
  static String chain(Throwable e) {
    StringBuilder text = new StringBuilder(message(e));
    for (Throwable cause = e.getCause(); cause != null; cause = cause.getCause()) {
      text.append(" <- ").append(message(cause));
    }
    return text.toString();
  }

  private static String message(Throwable e) {
    return e instanceof SerializedThrowable ? e.getMessage() : e.toString(); // the former has its class in its message
  }
}
