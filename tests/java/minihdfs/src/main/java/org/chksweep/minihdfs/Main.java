package org.chksweep.minihdfs;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** A small HDFS for tests: one process, commands on standard input, one JSON line of answer for each. */
public final class Main {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final PrintStream ANSWERS = System.out;

  private Main() {}

  public static void main(String[] args) {
    System.setOut(System.err); // standard output carries the answers and nothing else
    try {
      Options options = Options.parse(args);
      if (options.has("help")) {
        ANSWERS.print(Options.HELP);
      } else {
        serve(Cluster.start(options));
      }
    } catch (Throwable e) {
      e.printStackTrace();
      answer(Map.of("ready", false, "error", String.valueOf(e)));
      Runtime.getRuntime().halt(1);
    }
    Runtime.getRuntime().halt(0);
  }

  /** Answers commands until "quit" or the end of standard input, so that a killed test leaves no orphan. */
  private static void serve(Cluster cluster) throws IOException {
    answer(cluster.ready());
    Commands commands = new Commands(cluster);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      if (line.isBlank()) {
        continue;
      }
      String[] words = null;
      Map<String, Object> answer = new LinkedHashMap<>();
      try {
        words = words(line.trim());
        if (words[0].equals("quit")) {
          return;
        }
        long started = System.nanoTime();
        answer.putAll(commands.run(words));
        answer.put("ok", words[0]);
        answer.put("ms", (System.nanoTime() - started) / 1_000_000);
      } catch (Throwable e) {
        e.printStackTrace();
        answer.clear();
        answer.put("command", words == null ? line : words[0]);
        answer.put("error", String.valueOf(e));
      }
      answer(answer);
    }
  }

  /** Words apart by blanks, or a JSON array of strings where a word has blanks in it. */
  private static String[] words(String line) throws IOException {
    return line.startsWith("[") ? JSON.readValue(line, String[].class) : line.split("\\s+");
  }

  private static void answer(Map<String, ?> answer) {
    try {
      ANSWERS.println(JSON.writeValueAsString(answer));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
    ANSWERS.flush();
  }
}
