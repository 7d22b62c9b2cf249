package org.chksweep.flinkjobs;

import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** Standard output: one JSON object a line, events first, the result or the failure last. */
final class Answers {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final PrintStream OUT = System.out;

  private Answers() {}

  /** Whatever else prints goes to standard error. */
  static void claimStandardOutput() {
    System.setOut(System.err);
  }

  static void print(String text) {
    OUT.print(text);
    OUT.flush();
  }

  static void event(String event, Map<String, ?> fields) {
    print(line(event, fields));
  }

  static void result(Map<String, ?> fields) {
    print(resultLine(fields));
  }

  static String resultLine(Map<String, ?> fields) {
    return line("result", fields);
  }

  static void failed(String error) {
    event("failed", Map.of("error", error));
  }

  private static String line(String event, Map<String, ?> fields) {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("event", event);
    all.putAll(fields);
    try {
      return JSON.writeValueAsString(all) + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }
}
