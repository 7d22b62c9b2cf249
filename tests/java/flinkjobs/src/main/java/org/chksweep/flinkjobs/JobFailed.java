package org.chksweep.flinkjobs;

/** The job did not start or did not go on: Flink's doing, not that of this program's caller. */
final class JobFailed extends Exception {
  private static final long serialVersionUID = 1L;

  JobFailed(String message, Throwable cause) {
    super(message, cause);
  }
}
