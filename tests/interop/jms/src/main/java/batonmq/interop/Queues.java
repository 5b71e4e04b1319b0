package batonmq.interop;

import jakarta.jms.CompletionListener;
import jakarta.jms.Connection;
import jakarta.jms.DeliveryMode;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.QueueBrowser;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Queues: order, browsing, selectors, groups, times. */
public final class Queues extends Cases {
  public void keepTheirOrder() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    List<String> sent = new ArrayList<>();
    for (int number = 0; number < 200; number++) sent.add("m" + number);
    send(session, queue, sent.toArray(new String[0]));
    same(take(session.createConsumer(queue), 200), sent);
  }

  public void receiveWithoutWaiting() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    MessageConsumer consumer = session.createConsumer(queue);
    same(consumer.receiveNoWait(), null);
    send(session, queue, "x");
    same(text(consumer.receive(WAIT)), "x");
    same(consumer.receiveNoWait(), null);
  }

  public void receiveWithTimeout() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    MessageConsumer consumer = session.createConsumer(queue);
    same(consumer.receive(50), null);
    send(session, queue, "x");
    same(text(consumer.receive(WAIT)), "x");
  }

  public void pullWithoutPrefetch() throws Exception {
    Session session = connect(broker.url() + "&jms.prefetchPolicy.all=0", null).createSession(Session.AUTO_ACKNOWLEDGE);
    Queue queue = session.createQueue(name);
    send(session, queue, "a", "b", "c");
    MessageConsumer consumer = session.createConsumer(queue);
    same(text(consumer.receive(WAIT)), "a");
    same(text(consumer.receiveNoWait()), "b");
    // What was not asked for is not held here.
    same(take(session().createConsumer(queue), 1), List.of("c"));
    same(consumer.receive(20), null);
  }

  public void listener() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    BlockingQueue<Message> heard = new LinkedBlockingQueue<>();
    session.createConsumer(queue).setMessageListener(heard::add);
    send(session(), queue, "a", "b");
    same(text(heard.poll(WAIT, TimeUnit.MILLISECONDS)), "a");
    same(text(heard.poll(WAIT, TimeUnit.MILLISECONDS)), "b");
  }

  public void browser() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    session.createConsumer(queue).close();
    same(seen(session, queue), List.of());
    send(session, queue, "a", "b", "c");
    same(seen(session, queue), List.of("a", "b", "c"));
    same(seen(session, queue), List.of("a", "b", "c"));
    same(take(session.createConsumer(queue), 3), List.of("a", "b", "c"));
  }

  public void browserWithSelector() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    MessageProducer producer = session.createProducer(queue);
    for (int number = 0; number < 4; number++) {
      TextMessage message = session.createTextMessage("m" + number);
      message.setIntProperty("number", number);
      producer.send(message);
    }
    same(seen(session, queue, "number >= 2"), List.of("m2", "m3"));
  }

  public void selector() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    MessageProducer producer = session.createProducer(queue);
    for (int number = 0; number < 6; number++) {
      TextMessage message = session.createTextMessage("m" + number);
      message.setStringProperty("colour", number % 2 == 0 ? "red" : "blue");
      message.setIntProperty("number", number);
      message.setJMSCorrelationID("c" + number);
      producer.send(message);
    }
    MessageConsumer consumer = session.createConsumer(queue, "colour = 'red' AND number BETWEEN 1 AND 5");
    same(take(consumer, 2), List.of("m2", "m4"));
    same(consumer.receiveNoWait(), null);
    consumer.close();
    MessageConsumer byHeader = session.createConsumer(queue, "JMSCorrelationID = 'c3' OR JMSPriority > 8");
    same(take(byHeader, 1), List.of("m3"));
    byHeader.close();
    same(take(session.createConsumer(queue), 3), List.of("m0", "m1", "m5"));
  }

  public void selectorThatMakesNoSense() throws Exception {
    Session session = session();
    fails(jakarta.jms.InvalidSelectorException.class, () -> session.createConsumer(session.createQueue(name), "= ="));
  }

  public void priorities() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    MessageProducer producer = session.createProducer(queue);
    for (int priority : new int[] {4, 0, 9}) {
      producer.send(session.createTextMessage("p" + priority), DeliveryMode.PERSISTENT, priority, 0);
    }
    List<Integer> found = new ArrayList<>();
    MessageConsumer consumer = session.createConsumer(queue);
    for (int number = 0; number < 3; number++) found.add(consumer.receive(WAIT).getJMSPriority());
    found.sort(null);
    same(found, List.of(0, 4, 9));
  }

  public void whatIsTooOldIsGone() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    MessageProducer producer = session.createProducer(queue);
    TextMessage brief = session.createTextMessage("short");
    producer.send(brief, DeliveryMode.PERSISTENT, 4, 100);
    producer.send(session.createTextMessage("long"), DeliveryMode.PERSISTENT, 4, 60_000);
    until(() -> System.currentTimeMillis() > brief.getJMSExpiration(), "the first message expired");
    same(take(session.createConsumer(queue), 1), List.of("long"));
  }

  public void deliveryDelay() throws Exception {
    Session session = session();
    inTime(delay -> delayed(session, session.createQueue(name + "-" + delay), delay), 400, 6_000);
  }

  private static void delayed(Session session, Queue queue, long delay) throws Exception {
    MessageConsumer consumer = session.createConsumer(queue);
    MessageProducer producer = session.createProducer(queue);
    producer.setDeliveryDelay(delay);
    TextMessage sent = session.createTextMessage("later");
    producer.send(sent);
    producer.setDeliveryDelay(0);
    producer.send(session.createTextMessage("now"));
    same(text(consumer.receive(WAIT)), "now");
    Message later = consumer.receive(WAIT);
    same(text(later), "later");
    check(System.currentTimeMillis() >= sent.getJMSDeliveryTime(), "it came too early");
    same(later.getJMSDeliveryTime(), sent.getJMSDeliveryTime());
  }

  public void groups() throws Exception {
    Connection connection = connect();
    Session session = connection.createSession(Session.AUTO_ACKNOWLEDGE);
    Queue queue = session.createQueue(name);
    BlockingQueue<Message> first = new LinkedBlockingQueue<>();
    BlockingQueue<Message> second = new LinkedBlockingQueue<>();
    session.createConsumer(queue).setMessageListener(first::add);
    connection.createSession(Session.AUTO_ACKNOWLEDGE).createConsumer(queue).setMessageListener(second::add);
    Session sending = connection.createSession(Session.AUTO_ACKNOWLEDGE);
    MessageProducer producer = sending.createProducer(queue);
    for (int number = 1; number <= 10; number++) {
      TextMessage message = sending.createTextMessage("m" + number);
      message.setStringProperty("JMSXGroupID", "group");
      message.setIntProperty("JMSXGroupSeq", number);
      producer.send(message);
    }
    until(() -> first.size() + second.size() == 10, "all came");
    check(first.isEmpty() || second.isEmpty(), "the group went to both: " + first.size() + ", " + second.size());
    int sequence = 1;
    for (Message message : first.isEmpty() ? second : first) {
      same(message.getStringProperty("JMSXGroupID"), "group");
      same(message.getIntProperty("JMSXGroupSeq"), sequence++);
    }
  }

  public void completion() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    BlockingQueue<Object> heard = new LinkedBlockingQueue<>();
    CompletionListener listener = new CompletionListener() {
      @Override
      public void onCompletion(Message message) {
        heard.add(message);
      }

      @Override
      public void onException(Message message, Exception error) {
        heard.add(error);
      }
    };
    MessageProducer producer = session.createProducer(queue);
    List<Message> sent = new ArrayList<>();
    for (int number = 0; number < 50; number++) {
      sent.add(session.createTextMessage("m" + number));
      producer.send(sent.get(number), listener);
    }
    for (Message message : sent) same(heard.poll(WAIT, TimeUnit.MILLISECONDS), message);
    same(seen(session, queue).size(), 50);
  }

  public void sharedByConsumers() throws Exception {
    Session session = connect(broker.url() + "&jms.prefetchPolicy.all=1", null).createSession(Session.CLIENT_ACKNOWLEDGE);
    Queue queue = session.createQueue(name);
    send(session, queue, "a", "b");
    MessageConsumer first = session.createConsumer(queue);
    MessageConsumer second = session.createConsumer(queue);
    List<String> both = new ArrayList<>(take(first, 1));
    both.addAll(take(second, 1));
    both.sort(null);
    same(both, List.of("a", "b"));
  }

  public void browserDoesNotHideWhatIsThere() throws Exception {
    Session session = session();
    Queue queue = session.createQueue(name);
    send(session, queue, "x");
    try (QueueBrowser browser = session.createBrowser(queue)) {
      check(browser.getEnumeration().hasMoreElements(), "nothing seen");
      same(take(session.createConsumer(queue), 1), List.of("x"));
    }
  }
}
