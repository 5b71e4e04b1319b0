package batonmq.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;

/**
 * Reads the names of cases, `Class.method`, one a line, and answers each with "ok", or "failed" and why; an empty line ends
 * an answer. In between a case may ask for its connection to be cut.
 */
public final class Main {
  public static void main(String[] arguments) throws Exception {
    Broker broker = new Broker(arguments[0], arguments[1], Integer.parseInt(arguments[2]), arguments[3], arguments[4],
        Integer.parseInt(arguments[5]));
    BufferedReader asked = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = asked.readLine(); line != null; line = asked.readLine()) {
      String[] name = line.split("\\.");
      try {
        Cases cases = (Cases) Class.forName("batonmq.interop." + name[0]).getDeclaredConstructor().newInstance();
        cases.broker = broker;
        cases.asked = asked;
        try {
          cases.getClass().getMethod(name[1]).invoke(cases);
        } finally {
          cases.close();
        }
        System.out.println("ok");
      } catch (InvocationTargetException error) {
        System.out.println("failed");
        error.getCause().printStackTrace(System.out);
      } catch (Exception error) {
        System.out.println("failed");
        error.printStackTrace(System.out);
      }
      System.out.println();
      System.out.flush();
    }
  }
}
