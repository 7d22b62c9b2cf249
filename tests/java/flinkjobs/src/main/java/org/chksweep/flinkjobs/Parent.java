package org.chksweep.flinkjobs;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Standard input: the caller's words to a held job. Its end is the caller's end, and then ours. */
final class Parent {
  private final BlockingQueue<String> words = new LinkedBlockingQueue<>();

  Parent() {
    Thread reader = new Thread(this::read, "parent");
    reader.setDaemon(true);
    reader.start();
  }

  private void read() {
    try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        words.add(line.trim());
      }
    } catch (IOException e) {
      e.printStackTrace();
    }
    Runtime.getRuntime().halt(1);
  }

  /** The next word, or null when none comes within that time. */
  String next(long millis) throws InterruptedException {
    return words.poll(millis, TimeUnit.MILLISECONDS);
  }
}
